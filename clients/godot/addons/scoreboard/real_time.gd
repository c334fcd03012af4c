extends RefCounted


## Emitted after seconds of real time: also while the game is paused, and whatever Engine.time_scale is.
static func after(seconds: float) -> Signal:
	return (Engine.get_main_loop() as SceneTree).create_timer(seconds, true, false, true).timeout
