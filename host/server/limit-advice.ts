/** What the limits of the system are too small for, with what to do about it: for the log at the start, and for `check`. */

export interface Limits {
  /** RLIMIT_NOFILE. */
  readonly descriptors: number;
  /** Connections that they are enough for, and those that were asked for; undefined: nobody has said how many. */
  readonly placesByDescriptors: number;
  readonly maxConnections: number | undefined;
  /** RLIMIT_AS, in octets. */
  readonly addressSpace: number;
  /** `memory_budget`, in octets; undefined or 0: by default a share of what there is, or none. */
  readonly memoryBudget: number | undefined;
  /** Processes that serve. */
  readonly workers: number;
  /** Octets of the machine, or of the container (cgroup). */
  readonly machine: number;
}

/** Less makes Node abort before a line of ours runs, or hang: 900 MB were enough for it alone. */
const LEAST_ADDRESS_SPACE = 4 * 1_073_741_824;
/** What a process needs besides its budget. */
const PROCESS_OCTETS = 100 * 1_048_576;

/** A sentence for each limit that is too small. */
export function adviseOnLimits(limits: Limits): readonly string[] {
  const { descriptors, placesByDescriptors, maxConnections, addressSpace, memoryBudget, workers, machine } =
    limits;
  const advice: string[] = [];
  if (maxConnections !== undefined && maxConnections > placesByDescriptors)
    advice.push(
      `${descriptors} descriptors are enough for ${placesByDescriptors} connections, not for ${maxConnections}: raise the limit on open files (ulimit -n, LimitNOFILE)`,
    );
  if (addressSpace < LEAST_ADDRESS_SPACE)
    advice.push(
      `the address space is limited to ${megabytes(addressSpace)} MB, which may end a process of Node at any time: take the limit away (ulimit -v, softlimit -m or -a, rlimit_as), and limit the heap by NODE_OPTIONS=--max-old-space-size=512`,
    );
  const wanted = workers * ((memoryBudget ?? 0) + PROCESS_OCTETS);
  if (memoryBudget !== undefined && memoryBudget > 0 && wanted > machine)
    advice.push(
      `memory_budget lets ${workers === 1 ? 'the process' : `${workers} processes`} use ${megabytes(wanted)} MB, and there are ${megabytes(machine)}: lower it, or give the machine or container more (MemoryMax)`,
    );
  return advice;
}

const megabytes = (octets: number): number => Math.round(octets / 1_048_576);
