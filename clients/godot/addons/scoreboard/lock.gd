extends RefCounted
## A folder that one of several running games holds. GDScript has no lock of the operating system, so the folder has the name of its
## holder: a game takes it by renaming it, which succeeds for one of them. One that has lost it, as it stood still for some seconds, cannot
## write to it any more, whatever it has checked before. The holder also renames it once a second: a folder whose name stays is that of a
## game that was killed. A name can be changed on a full disk too, and no clock matters.

const RealTime := preload("real_time.gd")

const FREE := "free"
const BEAT_S := 1.0
const LOOK_S := 0.5
## A holder without a beat for as many looks is gone.
const LOOKS := 8

var _parent: String
var _id := "%d-%08x%08x" % [OS.get_process_id(), randi(), randi()]
var _beats := 0


func _init(parent: String) -> void:
	_parent = parent


## The path, as long as it is held.
func folder() -> String:
	return _parent.path_join("%s.%d" % [_id, _beats])


## False if another running game holds it, which takes a moment to see.
func take() -> bool:
	_make()
	while true:
		var name := _name()
		if name != FREE and not await _is_still(name):
			if _name() != FREE:
				return false
		elif DirAccess.rename_absolute(_parent.path_join(name), folder()) == OK:
			_beat()
			return true
		# Another game was faster, or the folder cannot be written.
		elif _name() == name:
			return false
	return false


func is_held() -> bool:
	return DirAccess.dir_exists_absolute(folder())


## Lets the next game take it.
func free_it() -> void:
	DirAccess.rename_absolute(folder(), _parent.path_join(FREE))


## Makes the folder if there is none. It appears at once with what is in it, as two games may do this.
func _make() -> void:
	if _name() != "":
		return
	# Of one that something has emptied.
	DirAccess.remove_absolute(_parent)
	var made := "%s.%s" % [_parent, _id]
	DirAccess.make_dir_recursive_absolute(made.path_join(FREE))
	if DirAccess.rename_absolute(made, _parent) != OK:
		DirAccess.remove_absolute(made.path_join(FREE))
		DirAccess.remove_absolute(made)


func _beat() -> void:
	while is_held():
		await RealTime.after(BEAT_S)
		var before := folder()
		_beats += 1
		# Windows does not rename it while a scanner reads in it.
		if DirAccess.rename_absolute(before, folder()) != OK:
			_beats -= 1


func _is_still(name: String) -> bool:
	# Looks are counted, not time: after a sleep of the device the holder beats before the next one.
	for look in LOOKS:
		await RealTime.after(LOOK_S)
		if _name() != name:
			return false
	return name != ""


## Empty while a game renames it, or if there is none.
func _name() -> String:
	if not DirAccess.dir_exists_absolute(_parent):
		return ""
	var names := DirAccess.get_directories_at(_parent)
	return "" if names.is_empty() else names[0]
