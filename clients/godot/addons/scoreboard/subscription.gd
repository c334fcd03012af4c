extends Node
## Follows a board by its live stream, or by polling where the platform cannot stream, until close().
##
## It reconnects after a back-off with full jitter of up to 30 s, and not before the service asks for. A permanent error, like a board
## that does not exist, closes it.

## Something has changed: read the variables.
signal changed

## *connecting* is for the first time; *open* is current, or was a few seconds ago where the platform cannot stream; after
## *reconnecting* the board is the last one received; *closed* is permanent, because of the error.
enum State { CONNECTING, OPEN, RECONNECTING, CLOSED }

const Backoff := preload("backoff.gd")
const EventStream := preload("event_stream.gd")
const Http := preload("http.gd")
const Json := preload("json.gd")
const RealTime := preload("real_time.gd")
const Result := preload("result.gd")

## A stream without an event for this long after the request is given up.
const FIRST_EVENT_S := 20.0
## The service sends a comment every 30 s: a stream that is silent for three times that is dead.
const SILENCE_S := 90.0
const POLL_S := 5.0

var state := State.CONNECTING
## The last one received, with total and items; empty until the first.
var board: Dictionary = {}
## The entry of the user of the subscription: rank and score are null while there is none; empty until the first.
var standing: Dictionary = {}
## The reason for CLOSED.
var error: Result

var _http: Http
var _can_stream: bool
var _path: String
var _limit: int
var _user_id: String
var _failures := 0
var _has_received := false
var _is_closed := false


func _init(http: Http, can_stream: bool, leaderboard: String, limit: int, user_id: String) -> void:
	_http = http
	_can_stream = can_stream
	_path = "/v1/leaderboards/%s" % leaderboard.uri_encode()
	_limit = limit
	_user_id = user_id


func _ready() -> void:
	# The listener connects after it has got this node.
	await get_tree().process_frame
	_show(State.CONNECTING)
	while _is_open():
		var result := await _stream() if _can_stream else await _poll()
		if not _is_open():
			break
		if not result.is_ok() and not result.may_pass():
			error = result
			_show(State.CLOSED)
			return
		if state == State.OPEN:
			_show(State.RECONNECTING)
		var pause: float = result.value.get("retry_s", -1.0)
		if pause < 0.0:
			pause = result.retry_after + Backoff.after(_failures)
			_failures += 1
		await RealTime.after(pause)
	queue_free()


## Ends it. Its node is freed when nothing of it waits any more.
func close() -> void:
	_is_closed = true
	if state == State.CLOSED:
		queue_free()


func _is_open() -> bool:
	return not _is_closed and is_inside_tree()


func _show(next: State) -> void:
	state = next
	if _is_open():
		changed.emit()


## Returns when the stream has ended; with retry_s if the service has ended it.
func _stream() -> Result:
	_has_received = false
	var lost: Result = Result.failed(Result.UNREACHABLE, "The stream has broken.")
	var events := EventStream.new()
	events.received.connect(_receive)
	var client := HTTPClient.new()
	if not await _request(client):
		return lost
	if client.get_response_code() != 200:
		return await _problem(client)
	var last_at := Time.get_ticks_msec()
	while client.get_status() == HTTPClient.STATUS_BODY:
		var bytes := client.read_response_body_chunk()
		if not bytes.is_empty():
			last_at = Time.get_ticks_msec()
			if not events.add(bytes):
				return lost
		elif Time.get_ticks_msec() - last_at > (SILENCE_S if _has_received else FIRST_EVENT_S) * 1_000:
			return lost
		else:
			await _next_frame()
			client.poll()
		if not _is_open():
			return lost
	return Result.of({"retry_s": events.retry_s}) if _has_received else lost


## Whether a response has begun.
func _request(client: HTTPClient) -> bool:
	var url := RegEx.create_from_string("^(https?)://(\\[[^\\]]+\\]|[^:/]+)(?::(\\d+))?(.*)$").search(_http.base_url)
	if url == null:
		return false
	var is_secure := url.get_string(1) == "https"
	var port := int(url.get_string(3)) if url.get_string(3) != "" else -1
	if client.connect_to_host(url.get_string(2), port, TLSOptions.client() if is_secure else null) != OK:
		return false
	var deadline := Time.get_ticks_msec() + FIRST_EVENT_S * 1_000
	var is_sent := false
	while Time.get_ticks_msec() < deadline and _is_open():
		client.poll()
		match client.get_status():
			HTTPClient.STATUS_RESOLVING, HTTPClient.STATUS_CONNECTING, HTTPClient.STATUS_REQUESTING:
				pass
			HTTPClient.STATUS_CONNECTED when not is_sent:
				is_sent = true
				var query := "/stream?limit=%d" % _limit
				if _user_id != "":
					query += "&user=" + _user_id.uri_encode()
				var headers := PackedStringArray(["Accept: text/event-stream"])
				if client.request(HTTPClient.METHOD_GET, url.get_string(4) + _path + query, headers) != OK:
					return false
			HTTPClient.STATUS_BODY, HTTPClient.STATUS_CONNECTED:
				return client.has_response()
			_:
				return false
		await _next_frame()
	return false


func _problem(client: HTTPClient) -> Result:
	var body := PackedByteArray()
	var deadline := Time.get_ticks_msec() + FIRST_EVENT_S * 1_000
	while client.get_status() == HTTPClient.STATUS_BODY and Time.get_ticks_msec() < deadline and _is_open():
		body.append_array(client.read_response_body_chunk())
		await _next_frame()
		client.poll()
	var headers := client.get_response_headers()
	return Result.of_response(client.get_response_code(), headers, body.get_string_from_utf8())


func _receive(event: String, data: String) -> void:
	var body: Variant = Json.parse(data)
	if not body is Dictionary:
		return
	_has_received = true
	_failures = 0
	match event:
		"snapshot", "leaderboard":
			board = body
			_show(State.OPEN)
		"rank":
			standing = body
			_show(State.OPEN)


func _poll() -> Result:
	while _is_open():
		var page := await _http.ask(HTTPClient.METHOD_GET, "%s/entries?limit=%d" % [_path, _limit])
		if not page.is_ok():
			return page
		if _user_id != "":
			var entry := await _http.ask(HTTPClient.METHOD_GET, "%s/entries/%s" % [_path, _user_id.uri_encode()])
			if not entry.is_ok() and entry.code != "not-found":
				return entry
			standing = entry.value if entry.is_ok() else {"userId": _user_id, "rank": null, "score": null}
		_failures = 0
		board = page.value
		_show(State.OPEN)
		await RealTime.after(POLL_S + Backoff.after(0))
	return Result.of({})


func _next_frame() -> void:
	await Engine.get_main_loop().process_frame
