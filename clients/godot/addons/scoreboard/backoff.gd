extends RefCounted

const FIRST_S := 1.0
const LAST_S := 30.0


## Seconds to wait after a number of consecutive failures. Full jitter: between zero and a limit that doubles, so that games that
## failed together do not retry together.
static func after(failures: int) -> float:
	return randf() * minf(LAST_S, FIRST_S * 2.0 ** failures)
