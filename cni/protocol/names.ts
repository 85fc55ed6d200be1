/**
 * What the specification allows as container id and as network name. Both become file names, so nothing may start
 * with a dot and no separator may occur.
 *
 * Patterns here are plain on purpose: in a process that lives some milliseconds a small one costs 5 µs, one with `\s`
 * 70, and a loop over the characters even more, because it wakes the compiler.
 */
const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Interface names in printable ASCII without "/" and ":", which are nearly all there are. */
const plainIfname = /^[!-.0-9;-~]{1,15}$/;

/** IFNAMSIZ − 1 of linux/if.h: bytes of an interface name without its final zero. */
const maxIfnameBytes = 15;

/** What is wrong with a container id, as the end of a sentence; undefined when it is valid. */
export function containerIdProblem(containerId: string): string | undefined {
  return nameProblem(containerId);
}

/** What is wrong with a network name, as the end of a sentence; undefined when it is valid. */
export function networkNameProblem(name: string): string | undefined {
  return nameProblem(name);
}

/** What is wrong with an interface name, as the end of a sentence; undefined when the kernel takes it. */
export function ifnameProblem(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (name === '.' || name === '..') return 'is not allowed as an interface name';
  return plainIfname.test(name) ? undefined : unusualIfnameProblem(name);
}

function unusualIfnameProblem(name: string): string | undefined {
  if (new TextEncoder().encode(name).length > maxIfnameBytes) return `is longer than ${maxIfnameBytes} bytes`;
  // dev_valid_name() of the kernel; \s covers what Go's unicode.IsSpace does, and U+0085 it does besides.
  if (/[/:\s\u0085]/.test(name)) return 'must not contain "/", ":" or white space';
  // A zero byte cannot come through the environment, but it can through configuration.
  if (name.includes('\0')) return 'must not contain a zero byte';
  return undefined;
}

function nameProblem(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (namePattern.test(name)) return undefined;
  return 'must start with a letter or digit and contain only letters, digits, "_", "." and "-"';
}
