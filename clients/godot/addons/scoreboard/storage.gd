extends RefCounted
## Keeps named texts between runs of the game: in files of user://, with a Web export in the localStorage of the page. Of several running
## games, also tabs, the first one keeps them; the others play as games that keep nothing.

## Another game has taken the files, as this one stood still for some seconds.
signal lost
signal _answered(is_free: bool)

const Lock := preload("lock.gd")

## A tab's lock lasts until it is closed; a page without HTTPS has none. In a browser user:// is a copy for each tab, and each write of
## the game to it stores the whole copy, over what another tab has stored since. So the texts are not there.
const TAB := """
globalThis.scoreboardTab = {
	hold: (name, answer) => {
		if (!navigator.locks) return void queueMicrotask(() => answer(false));
		const hold = (lock) => (answer(lock !== null), lock && new Promise(() => {}));
		navigator.locks.request(name, { ifAvailable: true }, hold).catch(() => answer(false));
	},
	read: (name) => {
		try { return localStorage.getItem(name) ?? ''; } catch { return ''; }
	},
	write: (name, text) => {
		try {
			if (text === '') localStorage.removeItem(name); else localStorage.setItem(name, text);
			return true;
		} catch { return false; }
	},
};"""

var _service: String
var _is_open := false
## Null in a browser, where there is a tab.
var _lock: Lock
var _tab: JavaScriptObject
## Names of files that could not be read: they are not written over.
var _unreadable: Array[String] = []


## Call it before the others. [param base_url]: of the service, as each has users of its own.
func open(base_url: String) -> void:
	_service = base_url.sha256_text().left(16)
	_is_open = await _take()
	if not _is_open:
		push_warning("Scoreboard: another copy of the game is running, or user://scoreboard cannot be written. This one plays as a guest "
			+ "of its own, and keeps nothing.")


## Lets the next game keep the files.
func close() -> void:
	if _is_open and _lock != null:
		_lock.free_it()
	_is_open = false


## False in a second running game, until open() has ended, and where a file cannot be read.
func is_kept() -> bool:
	return _is_held() and _unreadable.is_empty()


## Empty if there is none.
func read(name: String) -> String:
	if not _is_held():
		return ""
	if _tab != null:
		return _tab.read(_key(name))
	var path := _path(name)
	# Windows removes the old file before the new one gets its name.
	if not FileAccess.file_exists(path):
		path += ".new"
	if not FileAccess.file_exists(path):
		return ""
	var file := FileAccess.open(path, FileAccess.READ)
	if file == null:
		_unreadable.append(name)
		push_warning("Scoreboard cannot read %s: %s" % [path, error_string(FileAccess.get_open_error())])
		return ""
	return file.get_as_text()


## An empty text removes it.
func write(name: String, text: String) -> void:
	if not _is_held() or name in _unreadable:
		return
	var failure := _write_item(name, text) if _tab != null else _write_file(_path(name), text)
	# Not if another game has taken the folder meanwhile.
	if _is_held() and failure != OK:
		push_warning("Scoreboard cannot store: %s" % error_string(failure))


func _write_item(name: String, text: String) -> Error:
	return OK if _tab.write(_key(name), text) else ERR_FILE_CANT_WRITE


func _write_file(path: String, text: String) -> Error:
	if text == "":
		DirAccess.remove_absolute(path + ".new")
		return DirAccess.remove_absolute(path) if FileAccess.file_exists(path) else OK
	# A game that ends meanwhile leaves the old file whole.
	var file := FileAccess.open(path + ".new", FileAccess.WRITE)
	if file == null:
		return FileAccess.get_open_error()
	var is_whole := file.store_string(text)
	file.close()
	# A full disk must not replace the old file with a part of the new one.
	return DirAccess.rename_absolute(path + ".new", path) if is_whole else ERR_FILE_CANT_WRITE


func _is_held() -> bool:
	if _is_open and _lock != null and not _lock.is_held():
		_is_open = false
		push_warning("Scoreboard: another copy of the game has taken the session, while this one stood still.")
		lost.emit()
	return _is_open


func _take() -> bool:
	if not _has_tabs():
		_lock = Lock.new("user://scoreboard".path_join(_service))
		return await _lock.take()
	JavaScriptBridge.eval(TAB, true)
	_tab = JavaScriptBridge.get_interface("scoreboardTab")
	var answer := JavaScriptBridge.create_callback(func(answers: Array) -> void: _answered.emit(answers[0]))
	_tab.hold(_key("lock"), answer)
	return await _answered


func _has_tabs() -> bool:
	return OS.has_feature("web")


func _key(name: String) -> String:
	return "scoreboard-godot:%s:%s" % [_service, name]


func _path(name: String) -> String:
	return _lock.folder().path_join(name + ".json")
