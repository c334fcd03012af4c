extends "res://addons/scoreboard/storage.gd"
## Files with the lock that a game has outside of a browser.


func _has_tabs() -> bool:
	return false


## As a process that ends at once: the folder keeps its name. Windows may have removed a file that was about to be replaced.
func crash() -> void:
	_is_open = false
	DirAccess.rename_absolute(_path("session"), _path("session") + ".new")
	_lock._id = "killed"


## As another game does that takes the folder.
func take_away() -> void:
	DirAccess.rename_absolute(_lock.folder(), _lock._parent.path_join("another.0"))


## As a scanner does that keeps others from reading.
func set_readable(is_readable: bool) -> void:
	FileAccess.set_unix_permissions(_path("session"), 0x180 if is_readable else 0)
