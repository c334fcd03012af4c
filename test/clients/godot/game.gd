extends Node
## A game that is played by lines of JSON: it gets commands, and writes results and events. test/clients/game.ts has the commands.

const Board := preload("res://addons/scoreboard/board.tscn")
const Client := preload("res://addons/scoreboard/scoreboard.gd")
const DesktopStorage := preload("res://desktop_storage.gd")
const PageStorage := preload("res://page_storage.gd")
const Result := preload("res://addons/scoreboard/result.gd")
const Subscription := preload("res://addons/scoreboard/subscription.gd")
const STATES: Array[String] = ["connecting", "open", "reconnecting", "closed"]

var _page: JavaScriptObject
var _number: int
var _client := Client.new()
var _board: Node
var _begun: Array[Dictionary] = []
var _subscription: Subscription


func _init(page: JavaScriptObject, number: int, options: Dictionary) -> void:
	_page = page
	_number = number
	# The board finds it by this name, below the root.
	_client.name = "Scoreboard"
	_client.base_url = options.url
	_client.can_stream = options.canStream
	match options.storage:
		"page":
			_client.storage = PageStorage.new(page, number)
		"desktop":
			_client.storage = DesktopStorage.new()


func _ready() -> void:
	_client.counted.connect(
		func(_action: Dictionary, receipt: Dictionary) -> void: _report("counted", _of_receipt(receipt))
	)
	_client.waiting.connect(
		func(_action: Dictionary, error: Result, seconds: float) -> void:
			var waiting := _of_error(error)
			waiting.pauseMs = int(seconds * 1_000)
			_report("waiting", waiting)
	)
	_client.refused.connect(
		func(_action: Dictionary, error: Result) -> void: _report("refused", _of_error(error))
	)
	get_tree().root.add_child.call_deferred(_client)


## As a crash does: outside of the tree nothing is sent any more, and what it writes is not read. With a lock it ends as it should.
func end() -> void:
	if _board != null:
		_board.free()
	get_tree().root.remove_child(_client)
	if _client.storage is DesktopStorage:
		_client.free()


func obey(command: Dictionary) -> void:
	if not _client.is_node_ready():
		await _client.ready
	var answer := {"id": command.id}
	var result: Variant = await _do(command)
	if result is Result and not result.is_ok():
		answer.error = _of_error(result)
	else:
		answer.result = result.value if result is Result else result
	_say(answer)


func _do(command: Dictionary) -> Variant:
	var board: String = command.get("leaderboard", "global")
	match command.command:
		"guest":
			return await _client.guest(command.get("displayName", ""))
		"rename":
			return await _client.rename(command.displayName)
		"upgrade":
			return await _client.upgrade(command.username, command.password)
		"login":
			return await _client.login(command.username, command.password)
		"logout":
			var ended := await _client.logout()
			return null if ended.is_ok() and _client.user().is_empty() else ended
		"begin":
			var begun := await _client.begin_action(command.action)
			if not begun.is_ok():
				return begun
			_begun.append(begun.value)
			return _begun.size() - 1
		"perform":
			var result := await _client.perform_action(
				command.action,
				command.get("points"),
				_begun[command.begun] if command.has("begun") else {},
				command.get("metadata"),
				command.get("timeoutMs", 120_000) / 1_000.0
			)
			return _of_receipt(result.value) if result.is_ok() else result
		"kept":
			return _client.is_kept()
		"crash":
			_client.storage.crash()
			return null
		"hide session":
			_client.storage.set_readable(false)
			return null
		"show session":
			_client.storage.set_readable(true)
			return null
		"take away":
			_client.storage.take_away()
			return null
		"save":
			FileAccess.open("user://saved", FileAccess.WRITE).store_string("level 3")
			return null
		"pending":
			return _client.pending().size()
		"top":
			return await _client.top(board, command.limit)
		"around":
			return await _client.around(board, command.get("userId", ""), command.radius)
		"subscribe":
			_subscription = _client.subscribe(board, command.limit, command.get("userId", ""))
			_subscription.changed.connect(_show.bind(_subscription))
			return null
		"rows":
			if _board == null:
				_board = Board.instantiate()
				_board.limit = command.limit
				add_child(_board)
			var shown := _board.get_children().filter(func(row: Label) -> bool: return row.visible)
			return shown.map(func(row: Label) -> String: return row.text)
		"unsubscribe":
			_subscription.close()
			return null
	return null


func _show(subscription: Subscription) -> void:
	_report("view", {
		"state": STATES[subscription.state],
		"board": null if subscription.board.is_empty() else subscription.board,
		"standing": null if subscription.standing.is_empty() else subscription.standing,
		"error": null if subscription.error == null else _of_error(subscription.error),
	})


static func _of_receipt(receipt: Dictionary) -> Dictionary:
	return {
		"eventId": receipt.eventId,
		"action": receipt.action,
		"points": receipt.points,
		"replayed": receipt.replayed,
		"leaderboards": receipt.leaderboards,
	}


static func _of_error(error: Result) -> Dictionary:
	return {"code": error.code, "status": error.status, "retryAfterMs": int(error.retry_after * 1_000)}


func _report(event: String, value: Dictionary) -> void:
	_say({"event": event, "value": value})


func _say(line: Dictionary) -> void:
	_page.say(_number, JSON.stringify(line))
