/** The client's side of each mechanism, against a server in this process. */

import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import type { TestClient } from '../../../host/testing/index.ts';

export const encode = (text: string | Buffer): string => Buffer.from(text).toString('base64');
const decode = (reply: string): string =>
  Buffer.from(reply.replace(/^334 +/, ''), 'base64').toString('latin1');

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

/** A user, with the password or token to try. */
export interface Login {
  readonly user: string;
  readonly secret: string;
}

type Attempt = (client: TestClient, login: Login) => Promise<string>;

const plain: Attempt = (client, { user, secret }) =>
  client.say(`AUTH PLAIN ${encode(`\0${user}\0${secret}`)}`);

const plainInTwo: Attempt = async (client, { user, secret }) => {
  await client.say('AUTH PLAIN');
  return client.say(encode(`\0${user}\0${secret}`));
};

const login: Attempt = async (client, { user, secret }) => {
  await client.say('AUTH LOGIN');
  await client.say(encode(user));
  return client.say(encode(secret));
};

const cramMd5: Attempt = async (client, { user, secret }) => {
  const ticket = decode(await client.say('AUTH CRAM-MD5'));
  return client.say(encode(`${user} ${createHmac('md5', secret).update(ticket).digest('hex')}`));
};

const oauthBearer: Attempt = (client, { user, secret }) =>
  client.say(`AUTH OAUTHBEARER ${encode(`n,a=${user},\u0001auth=Bearer ${secret}\u0001\u0001`)}`);

const xoauth2: Attempt = (client, { user, secret }) =>
  client.say(`AUTH XOAUTH2 ${encode(`user=${user}\u0001auth=Bearer ${secret}\u0001\u0001`)}`);

/** Throws if the server does not know the password either. RFC 5802 section 3. */
const scramSha256: Attempt = async (client, { user, secret }) => {
  const bare = `n=${user},r=clientnonce`;
  const challenge = await client.say(`AUTH SCRAM-SHA-256 ${encode(`n,,${bare}`)}`);
  const serverFirst = decode(challenge);
  const [, nonce, salt, count] = /^r=(clientnonce.+),s=(.+),i=(\d+)$/.exec(serverFirst) ?? [];
  if (nonce === undefined) return challenge;
  const salted = pbkdf2Sync(secret, Buffer.from(salt!, 'base64'), Number(count), 32, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  const withoutProof = `c=biws,r=${nonce}`;
  const signed = `${bare},${serverFirst},${withoutProof}`;
  const signature = hmac(createHash('sha256').update(clientKey).digest(), signed);
  const proof = Buffer.from(clientKey.map((octet, index) => octet ^ signature[index]!));
  const reply = await client.say(encode(`${withoutProof},p=${proof.toString('base64')}`));
  if (!reply.startsWith('334')) return reply;
  const expected = `v=${hmac(hmac(salted, 'Server Key'), signed).toString('base64')}`;
  if (decode(reply) !== expected) throw new Error('the server could not prove that it knows the password');
  return client.say('');
};

export const attempts = {
  PLAIN: plain,
  'PLAIN in two': plainInTwo,
  LOGIN: login,
  'CRAM-MD5': cramMd5,
  'SCRAM-SHA-256': scramSha256,
  OAUTHBEARER: oauthBearer,
  XOAUTH2: xoauth2,
} as const satisfies Record<string, Attempt>;

export type AttemptName = keyof typeof attempts;
export const attemptNames = Object.keys(attempts) as AttemptName[];
