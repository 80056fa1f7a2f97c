/** Keeps secrets out of what plugins say: it goes to a log or to a client. */

const HIDDEN = '[hidden: it names what the client entrusted to AUTH]';

/**
 * `text`, or a remark in its place if it holds one of the secrets. Cutting out the secret alone would spell out a
 * password that is a word of a known text.
 */
export function conceal(text: string, secrets: readonly string[] | undefined): string {
  return namesSecret(text, secrets) ? HIDDEN : text;
}

/** A reply for the log. Its code is shown in any case: a client must not hide a refusal by the password it tries. */
export function shownReply(text: string, secrets: readonly string[] | undefined): string {
  const shown = text.trimEnd();
  return namesSecret(shown.slice(4), secrets) ? `${text.slice(0, 3)} ${HIDDEN}` : shown;
}

/** True if one of the secrets stands in the text. */
export const namesSecret = (text: string, secrets: readonly string[] | undefined): boolean =>
  secrets?.some((secret) => text.includes(secret)) === true;
