extends Node
## The service for one player. Add it as an autoload, which the plugin does: it exists as long as the game, and sends what an earlier
## run has left.
##
## Calls return a Result: its value, or an error with a code.

## An action has counted; also one of an earlier run of the game.
signal counted(action: Dictionary, receipt: Dictionary)
## An action could not be sent, and is sent again after some seconds.
signal waiting(action: Dictionary, error: Result, seconds: float)
## An action will never count.
signal refused(action: Dictionary, error: Result)
## The session's user or its names have changed; empty when the session has ended.
signal user_changed(user: Dictionary)

const Actions := preload("actions.gd")
const Http := preload("http.gd")
const OfflineQueue := preload("offline_queue.gd")
const Result := preload("result.gd")
const Session := preload("session.gd")
const Storage := preload("storage.gd")
const Subscription := preload("subscription.gd")

## Of the service, like https://scores.example.com. Set it in the settings of the project, or before the node is in the tree.
var base_url: String = ProjectSettings.get_setting("scoreboard/base_url", "http://localhost:3000")
## False where responses arrive only when they are complete: boards are then polled.
var can_stream := true
## Where the session and the queue are kept. Set another one before the node is in the tree.
var storage: Storage

var _http := Http.new()
var _session: Session
var _queue: OfflineQueue
var _actions: Actions


func _enter_tree() -> void:
	if _session != null:
		return
	# A paused game still sends what was played.
	process_mode = Node.PROCESS_MODE_ALWAYS
	if storage == null:
		storage = Storage.new()
	_http.base_url = base_url
	add_child(_http)
	_session = Session.new(_http, storage)
	_queue = OfflineQueue.new(storage)
	_actions = Actions.new(get_tree(), _session, _queue)
	_actions.counted.connect(counted.emit)
	_actions.waiting.connect(waiting.emit)
	_actions.refused.connect(refused.emit)
	_session.changed.connect(_on_user_changed)
	storage.lost.connect(_queue.forget)
	storage.lost.connect(_session.forget)
	# A browser answers later, as does the lock of a game that was killed: until then there is no user, and calls wait.
	await storage.open(_http.base_url)
	_queue.restore()
	_session.restore()
	_actions.resume()


func _notification(what: int) -> void:
	if what == NOTIFICATION_PREDELETE and storage != null:
		storage.close()


## False in a second running copy of the game: its guest and its waiting actions are gone when it ends.
func is_kept() -> bool:
	return storage.is_kept()


## The session's user: id, displayName, username (null for a guest). Empty without a session.
func user() -> Dictionary:
	return _session.user()


## Actions that may not have counted yet, oldest first; at most 64.
func pending() -> Array[Dictionary]:
	var shown: Array[Dictionary] = []
	for action in _queue.all():
		shown.append(OfflineQueue.without_token(action))
	return shown


## The session's user. Creates a guest if there is no session; other calls do that by themselves.
func guest(display_name: String = "") -> Result:
	return await _session.guest(display_name)


## Logs in to an account.
func login(username: String, password: String) -> Result:
	return await _session.login(username, password)


## Turns the guest into an account, which keeps its scores.
func upgrade(username: String, password: String) -> Result:
	return await _session.upgrade(username, password)


## Changes the user's display name.
func rename(display_name: String) -> Result:
	return await _session.rename(display_name)


## Ends the session: on the device in any case, and in the service if it answers.
func logout() -> Result:
	return await _session.logout()


## Requests the token of an action that begins now: pass the value of the result to perform_action() when the action is finished.
func begin_action(action: String) -> Result:
	return await _actions.begin(action)


## Counts a finished action exactly once: requests an action token, waits until it may be used, sends it, and repeats it while
## responses are lost. It waits while the service is unreachable, busy or asks for a wait. After the timeout it returns the error
## *queued*: the action stays in the storage for at most a day, and counted or refused report its outcome.
##
## [param points]: an int, required if the action has a range of points. [param begun]: the value of begin_action(), for one
## action, and used up by it; without it the token is requested now. [param metadata]: a Dictionary of up to 2 KiB, stored with the event.
func perform_action(
	action: String, points: Variant = null, begun: Dictionary = {}, metadata: Variant = null, timeout_s: float = 120.0
) -> Result:
	# A loss of the files is noticed before, as this action is not in them.
	storage.is_kept()
	return await _actions.perform(action, points, begun, metadata, timeout_s)


## The first entries of a board. [param limit]: 1 to 100.
func top(leaderboard: String, limit: int = 10) -> Result:
	return await _http.ask(HTTPClient.METHOD_GET, "%s?limit=%d" % [_entries(leaderboard), limit])


## A user (default: the session's) with up to [param radius] (0 to 50) neighbours on each side.
func around(leaderboard: String, user_id: String = "", radius: int = 5) -> Result:
	var id := _session.user_id() if user_id == "" else user_id
	if id == "":
		return Result.failed("unauthenticated", "No user was given, and there is no session.")
	var path := "%s/%s/around?radius=%d" % [_entries(leaderboard), id.uri_encode(), radius]
	return await _http.ask(HTTPClient.METHOD_GET, path)


## Follows a board: connect to its signal changed, and close() it to end it. [param user_id]: a user whose entry is sent too.
func subscribe(leaderboard: String, limit: int = 10, user_id: String = "") -> Subscription:
	var subscription := Subscription.new(_http, can_stream, leaderboard, limit, user_id)
	add_child(subscription)
	return subscription


func _entries(leaderboard: String) -> String:
	return "/v1/leaderboards/%s/entries" % leaderboard.uri_encode()


func _on_user_changed(changed: Dictionary) -> void:
	user_changed.emit(changed)
	if not changed.is_empty():
		_actions.resume()
