"""Runs aiosmtpd as a sink. Usage: aiosmtpd-sink.py PORT DOMAIN [KEY CERT]"""

import asyncio
import ssl
import sys

from aiosmtpd.smtp import SMTP


class Sink:
    def __init__(self, domain):
        self.here = "@" + domain

    async def handle_RCPT(self, server, session, envelope, address, options):
        if not address.endswith(self.here):
            return "550 not here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        return "250 taken"


async def main(port, domain, key=None, cert=None):
    context = None
    if key is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, key)
    loop = asyncio.get_running_loop()
    handler = Sink(domain)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="mx.example.test", data_size_limit=2**26, loop=loop, tls_context=context),
        host="127.0.0.1",
        port=int(port),
        backlog=1024,
    )
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
