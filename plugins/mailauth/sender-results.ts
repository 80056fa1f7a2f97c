/** What the checks of a sender leave for each other. Tasks, as what needs a result may be asked before it is there. */

import { transactionNote, transactionTask } from '../../bindings/plugin/index.ts';

/** RFC 7208 section 2.6. */
export type SpfOutcome = 'none' | 'neutral' | 'pass' | 'fail' | 'softfail' | 'temperror' | 'permerror';

export interface SpfResult {
  readonly result: SpfOutcome;
  /** What was checked: that of the reverse-path, or that of HELO if the reverse-path is empty. */
  readonly domain: string;
  readonly scope: 'mfrom' | 'helo';
}

/** Begun by sender_permitted_from at MAIL. Never rejects: what fails is `temperror`. */
export const spfResult = transactionTask<SpfResult>('sender_permitted_from');

/** RFC 9989 section 9.2. `permerror`: the From field does not name exactly one Author Domain. */
export type DmarcOutcome = 'none' | 'pass' | 'fail' | 'temperror' | 'permerror';

export type DmarcPolicy = 'none' | 'quarantine' | 'reject';

/** The record that the domain has published, as far as reports tell of it. RFC 9990 section 3.1.1.5. */
export interface PublishedPolicy {
  /** Where the record was found. */
  readonly domain: string;
  readonly p: DmarcPolicy;
  readonly sp: DmarcPolicy | undefined;
  readonly np: DmarcPolicy | undefined;
  readonly adkim: 'r' | 's';
  readonly aspf: 'r' | 's';
  readonly fo: string | undefined;
  /** `t=y`. */
  readonly isTested: boolean;
  /** The URIs that reports are asked to be sent to, as published, without an obsolete limit of size. RFC 9989 section 4.7. */
  readonly rua: readonly string[];
}

/** RFC 9989 section 3.2.14; without `p` and `sp`: no record. */
export interface OrganizationPolicy {
  readonly domain: string;
  readonly p: DmarcPolicy | undefined;
  readonly sp: DmarcPolicy | undefined;
}

/** Why a message was not handled as its policy says. RFC 9990, PolicyOverrideReason. */
export interface PolicyOverride {
  readonly type: 'local_policy' | 'mailing_list' | 'other' | 'policy_test_mode' | 'trusted_forwarder';
  readonly comment: string;
}

/** RFC 8601 section 2.7.1, but for `none`: that is a message without signatures. */
export type SignatureOutcome = 'pass' | 'fail' | 'neutral' | 'policy' | 'temperror' | 'permerror';

/** One signature, as reports tell of it. RFC 9990, DKIMAuthResultType. */
export interface ReportedSignature {
  readonly domain: string;
  readonly selector: string;
  readonly result: SignatureOutcome;
  /** For people. */
  readonly comment: string | undefined;
}

/** What DMARC says of a message, and all that a row of an aggregate report needs. RFC 9989 section 5.3, RFC 9990. */
export interface DmarcResult {
  readonly result: DmarcOutcome;
  /** Undefined where no policy was found, or where the question could not be answered. */
  readonly published: PublishedPolicy | undefined;
  /** The policy that holds for a message that fails: `sp`, `np` and `t` are worked in. Undefined without a policy. */
  readonly policy: DmarcPolicy | undefined;
  /** What is done with the message on account of DMARC; `pass`: the check was passed. */
  readonly disposition: 'pass' | DmarcPolicy;
  /** Why the disposition is not the policy. */
  readonly overrides: readonly PolicyOverride[];
  /** Whether the identifier passes and is aligned. */
  readonly isSpfAligned: boolean;
  readonly isDkimAligned: boolean;
  readonly sourceIp: string;
  /** The Author Domain in A-labels; undefined if there is none. */
  readonly headerFrom: string | undefined;
  /** How many addresses stand in From. */
  readonly mailboxes: number;
  /** The Organizational Domain of the author, and what its record asks for; undefined where it could not be told. */
  readonly organization: OrganizationPolicy | undefined;
  /** The domain of the reverse-path; `''` for the empty one. */
  readonly envelopeFrom: string;
  /** The domains of the recipients, once each. */
  readonly envelopeTo: readonly string[];
  /** Undefined: SPF was not checked. */
  readonly spf: SpfResult | undefined;
  readonly signatures: readonly ReportedSignature[];
  /** The operator lets reports tell of it (`reporting`). */
  readonly isReportable: boolean;
}

/**
 * Begun by dmarc at `data_post_headers`, for messages that are not of relay clients. Never rejects: what fails is
 * `temperror`. The disposition counts unless another plugin refuses the message before.
 */
export const dmarcResult = transactionTask<DmarcResult>('dmarc');

/** The same outcome, for checks that stand in where a domain has no DMARC policy. */
export const dmarcOutcome = transactionNote<DmarcOutcome>('dmarc_result');
