/** How much a test does: `.ci/nightly` sets QPSMTPD_LONG=1, where time does not matter. */

export const isLong = process.env['QPSMTPD_LONG'] === '1';

/** How many random cases are looked at. */
export const amount = (usual: number, long: number): number => (isLong ? long : usual);
