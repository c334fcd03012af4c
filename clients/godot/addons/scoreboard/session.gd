extends RefCounted
## The session of one user, in the storage.
##
## A refresh token is valid for one use, and a second use ends the session. So one refresh runs at a time. If the response to a
## refresh is lost, the token may have been used; it is sent again while the service repeats its response. After that the access
## token is used until it expires, and only then the refresh token is tried once more.

## The user or its names have changed; empty when the session has ended.
signal changed(user: Dictionary)
signal _freed

const Backoff := preload("backoff.gd")
const Http := preload("http.gd")
const Json := preload("json.gd")
const RealTime := preload("real_time.gd")
const Result := preload("result.gd")
const Storage := preload("storage.gd")

const NAME := "session"
## Refreshed after four fifths of the access token's lifetime: if the response is lost, the last fifth remains.
const REFRESH_AFTER := 0.8
## For 30 s the service gives the same response to the same refresh token; the request also takes its time.
const REPEATABLE_MS := 25_000
const ATTEMPTS := 3

var _http: Http
var _storage: Storage
## As it is stored, with times by the clock of this device: user, accessToken, refreshToken, refreshAt, and sentAt: when the
## refresh token was first sent, if there was no response. Empty without a session.
var _held: Dictionary = {}
## How often another game has taken it.
var _losses := 0
## Whether a request runs that may replace the session, or it has not been read yet.
var _is_taken := true


func _init(http: Http, storage: Storage) -> void:
	_http = http
	_storage = storage


## Reads what is stored; calls wait for it.
func restore() -> void:
	var kept: Variant = Json.parse(_storage.read(NAME))
	if kept is Dictionary and kept.has_all(["user", "accessToken", "refreshToken", "refreshAt"]):
		_held = kept
		changed.emit(user())
	_free()


## The session is another game's now, which would be ended by a refresh of this one; also of one in progress.
func forget() -> void:
	_losses += 1
	_keep({})


## Empty without a session.
func user() -> Dictionary:
	return _held.get("user", {})


func user_id() -> String:
	return user().get("id", "")


func guest(display_name: String) -> Result:
	await _take()
	var result := _of_user() if not _held.is_empty() else await _open_guest(display_name)
	_free()
	return _of_user() if result.is_ok() else result


func login(username: String, password: String) -> Result:
	await _take()
	var result := await _open("/v1/auth/login", {"username": username, "password": password})
	_free()
	return _of_user() if result.is_ok() else result


func upgrade(username: String, password: String) -> Result:
	var account := {"username": username, "password": password}
	return _renamed(await call_as_user(HTTPClient.METHOD_POST, "/v1/users/me/credentials", account))


func rename(display_name: String) -> Result:
	return _renamed(await call_as_user(HTTPClient.METHOD_PATCH, "/v1/users/me", {"displayName": display_name}))


## Ends the session: here in any case, and in the service if it answers.
func logout() -> Result:
	# After a refresh in progress, whose response would otherwise restore the session.
	await _take()
	var last := _held
	_keep({})
	_free()
	if last.is_empty():
		return Result.of({})
	var result := await _http.ask(HTTPClient.METHOD_POST, "/v1/auth/logout", {}, last.accessToken)
	# A session that has already ended is fine.
	return Result.of({}) if result.status == 401 else result


## Sends a request with the session's access token, which is refreshed if necessary. It is not repeated for another user, who may
## have logged in meanwhile. [param only_user_id]: the user it is for; otherwise the session's.
func call_as_user(
	method: HTTPClient.Method, path: String, body: Dictionary, only_user_id: String = ""
) -> Result:
	var failure := await access()
	if not failure.is_ok():
		return failure
	var of_user := user_id() if only_user_id == "" else only_user_id
	if user_id() != of_user:
		return _other_user()
	var access_token: String = _held.accessToken
	var result := await _http.ask(method, path, body, access_token)
	if result.code != "unauthenticated":
		return result
	failure = await access(access_token)
	if not failure.is_ok():
		return failure
	return await _http.ask(method, path, body, _held.accessToken) if user_id() == of_user else _other_user()


## Makes sure that there is a session with an access token that should be valid; creates a guest if there is no session.
func access(rejected: String = "") -> Result:
	if _is_valid(rejected):
		return _of_user()
	await _take()
	var result := await _renew(rejected)
	_free()
	return result


func _renew(rejected: String) -> Result:
	# A request of a user who has logged out must not be repeated as a new guest.
	if _held.is_empty():
		return await _open_guest("") if rejected == "" else Result.failed("unauthenticated", "Logged out.", 401)
	if _is_valid(rejected):
		return _of_user()
	var session := _held
	var losses := _losses
	# Stored before sending, because the game may end at any moment.
	var sent := session.duplicate()
	if sent.get("sentAt") == null:
		sent.sentAt = _now()
	_store(sent)
	if _held.is_empty():
		return _other_user()
	for failures: int in range(1, ATTEMPTS + 1):
		var result := await _open("/v1/auth/refresh", {"refreshToken": session.refreshToken})
		if result.is_ok():
			return result
		if result.ends_session():
			_keep({})
		if result.status == 429:
			_store(session)
		var is_lost := result.may_pass() and result.status != 429
		if not is_lost or failures == ATTEMPTS or not _is_repeatable(sent):
			return result if result.ends_session() or session.accessToken == rejected else _of_user()
		await RealTime.after(Backoff.after(failures - 1))
		if losses != _losses:
			return _other_user()
	return _of_user()


func _open_guest(display_name: String) -> Result:
	return await _open("/v1/auth/guest", {} if display_name == "" else {"displayName": display_name})


func _open(path: String, body: Dictionary) -> Result:
	var losses := _losses
	var result := await _http.ask(HTTPClient.METHOD_POST, path, body)
	if losses != _losses:
		return _other_user()
	if not result.is_ok():
		return result
	var opened := result.value
	if not opened.has_all(["user", "accessToken", "refreshToken", "expiresIn"]):
		return Result.failed(Result.UNREACHABLE, "The response is invalid.")
	_keep({
		"user": opened.user,
		"accessToken": opened.accessToken,
		"refreshToken": opened.refreshToken,
		"refreshAt": _now() + int(opened.expiresIn * 1_000 * REFRESH_AFTER),
	})
	return result


func _renamed(result: Result) -> Result:
	if result.is_ok() and result.value.get("id") == user_id():
		var session := _held.duplicate()
		session.user = result.value
		_keep(session)
	return result


static func _other_user() -> Result:
	return Result.failed("unauthenticated", "Another user has logged in.", 401)


func _of_user() -> Result:
	return Result.of(user())


func _keep(session: Dictionary) -> void:
	var before := user()
	_store(session)
	if user() != before:
		changed.emit(user())


func _store(session: Dictionary) -> void:
	_held = session
	_storage.write(NAME, "" if session.is_empty() else JSON.stringify(session))


func _take() -> void:
	while _is_taken:
		await _freed
	_is_taken = true


func _free() -> void:
	_is_taken = false
	_freed.emit()


func _is_valid(rejected: String) -> bool:
	if _held.is_empty() or _held.accessToken == rejected:
		return false
	return _now() < _held.refreshAt if _held.get("sentAt") == null else not _is_repeatable(_held)


func _is_repeatable(session: Dictionary) -> bool:
	var age: int = _now() - session.sentAt
	# A negative age: the clock was set back.
	return age >= 0 and age < REPEATABLE_MS


static func _now() -> int:
	return int(Time.get_unix_time_from_system() * 1_000)
