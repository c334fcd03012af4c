extends RefCounted
## Actions in the storage that may not have counted yet, oldest first.
##
## Each is a Dictionary: id, action, points (or null), metadata (or null), doneAt (by the clock of this device, in milliseconds),
## userId (empty until there is a session) and token (empty until there is one).

const Json := preload("json.gd")
const Storage := preload("storage.gd")

const NAME := "queue"
## The last text that could not be read whole: another version has written it, or a disk has damaged it.
const ASIDE := "queue.unreadable"
## Maximum number of actions that wait.
const CAPACITY := 64

var _storage: Storage
var _all: Array[Dictionary] = []


func _init(storage: Storage) -> void:
	_storage = storage


## Reads what is stored; an action that was performed meanwhile comes after that.
func restore() -> void:
	var text := _storage.read(NAME)
	if text != "":
		_all = _read(text) + _all
	if not _all.is_empty():
		_store()


## The actions of the text that can be read. If that is not all of it, the text is also kept aside.
func _read(text: String) -> Array[Dictionary]:
	var read: Array[Dictionary] = []
	var kept: Variant = Json.parse(text)
	var entries: Array = kept if kept is Array else []
	for entry: Variant in entries:
		if _is_action(entry):
			read.append(entry)
	if not kept is Array or read.size() < entries.size():
		_storage.write(ASIDE, text)
	return read


## For the game: no script of it needs the token.
static func without_token(pending: Dictionary) -> Dictionary:
	var shown := pending.duplicate(true)
	shown.erase("token")
	return shown


func all() -> Array[Dictionary]:
	return _all.duplicate()


func is_full() -> bool:
	return _all.size() >= CAPACITY


func has(pending: Dictionary) -> bool:
	return _index(pending) >= 0


func add(pending: Dictionary) -> void:
	_all.append(pending)
	_store()


## Stores what has changed of an action. False if it is another game's now.
func store(pending: Dictionary) -> bool:
	if has(pending):
		_store()
	return has(pending)


func remove(pending: Dictionary) -> void:
	if has(pending):
		_all.remove_at(_index(pending))
		_store()


## The actions are another game's now, which sends them.
func forget() -> void:
	_all.clear()


func _index(pending: Dictionary) -> int:
	return _all.find_custom(func(other: Dictionary) -> bool: return other.id == pending.id)


static func _is_action(pending: Variant) -> bool:
	if not pending is Dictionary or not pending.has_all(["points", "metadata"]):
		return false
	for name: String in ["id", "action", "userId"]:
		if not pending.get(name) is String:
			return false
	if not pending.get("doneAt") is int or not pending.get("token") is Dictionary:
		return false
	var token: Dictionary = pending.token
	return token.is_empty() or (
		token.get("actionToken") is String and token.has_all(["points", "readyAt", "durationMs", "doubtfulSince"])
	)


func _store() -> void:
	_storage.write(NAME, "" if _all.is_empty() else JSON.stringify(_all))
