/**
 * What RFC 7208 makes of records, case by case: the ground that the open SPF test suite covers, in names and words of our own.
 * They are also put to Perl's Mail::SPF.
 */

import type { SpfCase } from './spf-case.ts';
import { MODIFIER_CASES } from './spf-modifier-cases.ts';
import { RECORD_CASES } from './spf-record-cases.ts';

export const SPF_CASES: readonly SpfCase[] = [...RECORD_CASES, ...MODIFIER_CASES];
