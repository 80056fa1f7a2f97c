/** Command lines: where each begins and ends, and its verb and argument (RFC 5321 section 2.4). */

import { findLineEnd, lineFlags, nextLine } from './command-line';
import { NOT_CANONICAL, readEnvelope, TABLE_FULL } from './envelope';
import { RECORDS, RESULT_CONSUMED } from './layout';
import { isBlank } from './octets';
import { setResult, setWord } from './table';
import { findVerb } from './verbs';
import {
  COMMAND_ARGUMENT,
  COMMAND_AT,
  COMMAND_FIRST_PARAMETER,
  COMMAND_FLAGS,
  COMMAND_LINE,
  COMMAND_LINE_END,
  COMMAND_NEXT,
  COMMAND_PARAMETER_COUNT,
  COMMAND_PATH,
  COMMAND_PATH_END,
  COMMAND_VERB,
  COMMAND_VERB_END,
  COMMAND_WORDS,
  LINE_CANONICAL,
  MAX_COMMANDS,
  VERB_MAIL,
  VERB_RCPT,
} from './words';

/**
 * Splits `length` octets (at most a window) at `input` into complete lines. Returns the number of records in
 * `RECORDS`, at most `MAX_COMMANDS`. It stops early in front of a line whose parameters do not fit any more.
 */
export function scanCommands(input: i32, length: i32): i32 {
  const origin = <usize>input;
  const end = origin + <usize>length;
  let at = origin;
  let count = 0;
  let parameters = 0;
  while (count < MAX_COMMANDS) {
    const lineEnd = findLineEnd(at, end);
    if (lineEnd == 0) break;
    const added = writeRecord(count, origin, at, lineEnd, parameters);
    if (added == TABLE_FULL) break;
    parameters += added;
    at = nextLine();
    count++;
  }
  setResult(RESULT_CONSUMED, <u32>(at - origin));
  return count;
}

/** Writes one record; returns the number of its parameters, or `TABLE_FULL` if another call has to begin with it. */
function writeRecord(count: i32, origin: usize, line: usize, lineEnd: usize, parameters: i32): i32 {
  const record = <usize>RECORDS + ((<usize>(count * COMMAND_WORDS)) << 2);
  let verbEnd = line;
  while (verbEnd < lineEnd && !isBlank(load<u8>(verbEnd))) verbEnd++;
  let argument = verbEnd;
  while (argument < lineEnd && isBlank(load<u8>(argument))) argument++;
  const verb = findVerb(line, <u32>(verbEnd - line));

  let flags = lineFlags();
  let added: i32 = NOT_CANONICAL;
  if (verb == VERB_MAIL || verb == VERB_RCPT) {
    added = readEnvelope(record, origin, argument, lineEnd, parameters, verb == VERB_MAIL);
    if (added == TABLE_FULL && parameters != 0) return TABLE_FULL;
  }
  if (added >= 0) flags |= LINE_CANONICAL;
  else {
    added = 0;
    setWord(record, COMMAND_PATH, -1);
    setWord(record, COMMAND_PATH_END, -1);
    setWord(record, COMMAND_AT, -1);
  }
  setWord(record, COMMAND_VERB, verb);
  setWord(record, COMMAND_FLAGS, flags);
  setWord(record, COMMAND_LINE, <u32>(line - origin));
  setWord(record, COMMAND_LINE_END, <u32>(lineEnd - origin));
  setWord(record, COMMAND_NEXT, <u32>(nextLine() - origin));
  setWord(record, COMMAND_VERB_END, <u32>(verbEnd - origin));
  setWord(record, COMMAND_ARGUMENT, <u32>(argument - origin));
  setWord(record, COMMAND_FIRST_PARAMETER, parameters);
  setWord(record, COMMAND_PARAMETER_COUNT, added);
  return added;
}
