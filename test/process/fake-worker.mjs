// A worker that does what the variable BEHAVIOUR says.
const [, word, number, text] = /^(\w+) ?(\d*) ?(.*)$/.exec(process.env.BEHAVIOUR ?? '') ?? [];

process.on('SIGTERM', () => {
  if (text !== 'and stay') process.exit(0);
});
// The channel to the primary keeps the process alive.
process.on('message', () => undefined);

if (word === 'die') process.exit(Number(number));
if (word === 'fail') {
  process.send({ qpsmtpd: 'failed', exitCode: Number(number), text }, () => process.exit(Number(number)));
}
if (word === 'ready') {
  process.send({ qpsmtpd: 'ready', addresses: ['tcp://127.0.0.1:1'] }, () => {
    const death = /^then die (\d+)$/.exec(text);
    if (death) process.exit(Number(death[1]));
  });
}
