/** A socket that systemd has made and hands on (systemd.socket(5), sd_listen_fds(3)). Pure. */

/** SD_LISTEN_FDS_START of sd-daemon.h. */
const first = 3;

/**
 * The descriptor to listen on; undefined where the process was not started that way.
 *
 * @param environment `LISTEN_PID` names whom the sockets are for, `LISTEN_FDS` how many there are
 * @throws Error for more than one
 */
export function activatedSocket(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): number | undefined {
  const { LISTEN_PID: forWhom, LISTEN_FDS: count } = environment;
  if (forWhom !== String(pid) || count === undefined || count === '0') return undefined;
  if (count === '1') return first;
  throw new Error(
    `systemd hands on ${count} sockets: the unit of the socket must name one, with ListenStream=`,
  );
}
