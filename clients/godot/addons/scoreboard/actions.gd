extends RefCounted
## Sends finished actions until each is counted or rejected.
##
## *queued* (in the storage) → *token* (it has an action token, also in the storage before it is sent) → *counted* or *refused*
## (out of the storage). A token counts once, so it may be sent repeatedly. But an action must never get a second token while the
## first may still count: a token is replaced only when the service says that it has expired unused.

signal counted(action: Dictionary, receipt: Dictionary)
signal waiting(action: Dictionary, error: Result, seconds: float)
signal refused(action: Dictionary, error: Result)
signal _settled(id: String, result: Result)

const Backoff := preload("backoff.gd")
const Json := preload("json.gd")
const OfflineQueue := preload("offline_queue.gd")
const RealTime := preload("real_time.gd")
const Result := preload("result.gd")
const Session := preload("session.gd")

## A 429 that asks for a longer wait is final.
const LONGEST_WAIT_S := 300.0
const DAY_MS := 86_400_000
## After this time, the service has either counted a token that was sent without a response, or never will.
const SETTLED_AFTER_MS := 60_000
## The service remembers used tokens for a day after they expire.
const REMEMBERED_MS := DAY_MS / 10 * 9
const DIGITS := "0123456789abcdefghjkmnpqrstvwxyz"

var _tree: SceneTree
var _session: Session
var _queue: OfflineQueue
## The ids of the actions that are being sent or wait for those of the same name, in order, by name.
var _lines: Dictionary = {}


func _init(tree: SceneTree, session: Session, queue: OfflineQueue) -> void:
	_tree = tree
	_session = session
	_queue = queue


## Requests a token; its minimum duration begins now. The value has userId and token.
func begin(action: String) -> Result:
	var result := await _session.call_as_user(HTTPClient.METHOD_POST, "/v1/action-tokens", {"action": action})
	if not result.is_ok():
		return result
	var granted := result.value
	if not granted.has_all(["actionToken", "tokenId", "userId", "points", "notBefore"]):
		return Result.failed(Result.UNREACHABLE, "The response is invalid.")
	var duration_ms := _ms_of(granted.notBefore) - _time_of(granted.tokenId)
	var token := {
		"actionToken": granted.actionToken,
		# The points it counts for if none are given.
		"points": granted.points.min,
		"readyAt": _now() + duration_ms,
		# The longest wait before it may be used, even if the clock is changed meanwhile.
		"durationMs": duration_ms,
		# When it was last sent without a response that rules out that it counted.
		"doubtfulSince": null,
	}
	return Result.of({"userId": granted.userId, "token": token})


func perform(action: String, points: Variant, begun: Dictionary, metadata: Variant, timeout_s: float) -> Result:
	if _queue.is_full():
		return Result.failed(Result.QUEUE_FULL, "Too many actions are waiting.")
	# A copy, which the caller cannot change any more.
	var copy: Variant = Json.parse(JSON.stringify(metadata))
	if metadata != null and not copy is Dictionary:
		return Result.failed("validation-failed", "The metadata cannot be written as JSON.")
	var user_id := _session.user_id()
	var token := {}
	# The token of another user would be rejected. It is used once: a second action with it would be taken for a repeat of the first.
	if user_id != "" and begun.get("userId") == user_id and begun.has("token"):
		token = begun.token
		begun.erase("token")
	var pending := {
		"id": "%d%08x" % [_now(), randi()],
		"action": action,
		"points": points,
		"metadata": copy,
		"doneAt": _now(),
		"userId": user_id,
		"token": token,
	}
	_queue.add(pending)
	RealTime.after(timeout_s).connect(
		func() -> void: _settled.emit(pending.id, _queued("It is stored, and will be sent later."))
	)
	_send(pending)
	while true:
		var settled: Array = await _settled
		if settled[0] == pending.id:
			return settled[1]
	return null


## Sends pending actions of an earlier run, or of a user who has logged in again.
func resume() -> void:
	for pending in _queue.all():
		_send(pending)


## Submissions of the same action are sent one after the other, so that they count in order.
func _send(pending: Dictionary) -> void:
	var line: Array = _lines.get_or_add(pending.action, [])
	if pending in line:
		return
	line.append(pending)
	if line.size() > 1:
		return
	while not line.is_empty():
		var next: Dictionary = line[0]
		# Not before the caller waits for the result.
		await _tree.process_frame
		var result := await _deliver(next)
		line.pop_front()
		_settled.emit(next.id, result)
	_lines.erase(pending.action)


func _deliver(pending: Dictionary) -> Result:
	var failures := 0
	while true:
		var result := await _attempt(pending)
		if result.is_ok():
			_queue.remove(pending)
			counted.emit(OfflineQueue.without_token(pending), result.value)
			return result
		# When the same user logs in again, the action is sent again.
		if result.code == Result.QUEUED or (result.status == 401 and result.ends_session()):
			return result
		if not result.may_pass() or result.retry_after > LONGEST_WAIT_S or _is_old(pending):
			_queue.remove(pending)
			refused.emit(OfflineQueue.without_token(pending), result)
			return result
		var pause: float = result.retry_after + Backoff.after(failures)
		failures += 1
		waiting.emit(OfflineQueue.without_token(pending), result, pause)
		await RealTime.after(pause)
	return null


## One attempt: requests a token if there is none, and sends it. Stores the state that the next attempt needs.
func _attempt(pending: Dictionary) -> Result:
	if not _queue.has(pending):
		return _taken()
	var failure := await _session.access()
	if not failure.is_ok():
		return failure
	var user_id := _session.user_id()
	if pending.userId == "":
		pending.userId = user_id
	if pending.userId != user_id:
		return _away(pending)
	if pending.token.is_empty():
		var begun := await begin(pending.action)
		if not begun.is_ok():
			return begun
		if begun.value.userId != pending.userId:
			return _away(pending)
		pending.token = begun.value.token
	# Another game that takes the queue finds this token there, and with another one the action would count twice.
	if not _queue.store(pending):
		return _taken()
	var token: Dictionary = pending.token
	var wait_ms: int = mini(token.durationMs, token.readyAt - _now())
	if wait_ms > 0:
		await RealTime.after(wait_ms / 1_000.0)
	# With the session of another user the token would be rejected.
	if _session.user_id() != pending.userId:
		return _away(pending)
	var doubtful_since: Variant = token.doubtfulSince
	# Stored before sending, because the game may end at any moment.
	token.doubtfulSince = _now()
	if not _queue.store(pending):
		return _taken()
	var result := await _session.call_as_user(HTTPClient.METHOD_POST, "/v1/scores", _submission(pending), pending.userId)
	if result.is_ok() and not result.value.has_all(["eventId", "points", "leaderboards"]):
		return Result.failed(Result.UNREACHABLE, "The response is invalid.")
	if result.is_ok():
		result.value.replayed = false
		return result
	if not result.original.is_empty():
		return Result.of(_replayed(pending, result.original))
	# This attempt certainly did not count. Earlier attempts may have.
	if result.status >= 400 and result.status < 500 and result.code != Result.UNEXPECTED_ANSWER:
		token.doubtfulSince = doubtful_since
	var is_expired: bool = result.code == "action-token-expired"
	var unsettled_ms := _unsettled_ms(doubtful_since) if is_expired else 0
	if is_expired and unsettled_ms == 0:
		pending.token = {}
	_queue.store(pending)
	if result.code == "action-token-premature" or (is_expired and unsettled_ms < DAY_MS):
		return Result.failed(result.code, result.message, 503, unsettled_ms / 1_000.0)
	return result


static func _submission(pending: Dictionary) -> Dictionary:
	var body := {"actionToken": pending.token.actionToken}
	for name: String in ["points", "metadata"]:
		if pending[name] != null:
			body[name] = pending[name]
	return body


## The receipt of an action whose response was lost: its boards are not known.
static func _replayed(pending: Dictionary, original: Dictionary) -> Dictionary:
	return {
		"eventId": original.get("eventId"),
		"acceptedAt": original.get("acceptedAt"),
		"userId": pending.userId,
		"action": pending.action,
		"points": pending.token.points if pending.points == null else pending.points,
		"leaderboards": [],
		"replayed": true,
	}


static func _is_old(pending: Dictionary) -> bool:
	return _now() - pending.doneAt > DAY_MS


static func _away(pending: Dictionary) -> Result:
	if _is_old(pending):
		return Result.failed("unauthenticated", "Its user has not logged in again.")
	return _queued("It waits until its user logs in again.")


static func _taken() -> Result:
	return _queued("Another copy of the game sends it.")


static func _queued(why: String) -> Result:
	return Result.failed(Result.QUEUED, "Not counted yet. " + why)


## Milliseconds until the service certainly knows the outcome of a token that was sent without a response; more than a day if it
## may already have forgotten the token.
static func _unsettled_ms(doubtful_since: Variant) -> int:
	if doubtful_since == null:
		return 0
	var since: int = _now() - doubtful_since
	# A negative time: the clock was set back, so the age is unknown.
	return 2 * DAY_MS if since < 0 or since > REMEMBERED_MS else maxi(0, SETTLED_AFTER_MS - since)


static func _now() -> int:
	return int(Time.get_unix_time_from_system() * 1_000)


## Of a time like 2026-11-30T12:00:00.250Z, in milliseconds.
static func _ms_of(time: String) -> int:
	return Time.get_unix_time_from_datetime_string(time.left(19)) * 1_000 + time.substr(20, 3).to_int()


## When an id was created, by the clock of the service, in milliseconds: it is a UUIDv7 in base32 after a prefix of four.
static func _time_of(id: String) -> int:
	var time := 0
	for digit in id.substr(4, 10):
		time = time * 32 + DIGITS.find(digit)
	return time
