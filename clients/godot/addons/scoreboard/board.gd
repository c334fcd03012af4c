extends VBoxContainer
## Shows the top of a leaderboard, live, and below it the player, who may be further down.

const Subscription := preload("subscription.gd")

@export var leaderboard := "global"
@export_range(1, 100) var limit := 10
@export var own_color := Color.GOLD
@export var connecting := "Connecting…"
@export var reconnecting := "Offline. Trying again…"

var _client: Node
var _subscription: Subscription


func _enter_tree() -> void:
	# Not by its name in the code, so that the script also compiles where there is no autoload yet.
	_client = get_node("/root/Scoreboard")
	_client.user_changed.connect(_on_user_changed)
	_subscribe()


func _exit_tree() -> void:
	_client.user_changed.disconnect(_on_user_changed)
	_unsubscribe()


func _on_user_changed(_user: Dictionary) -> void:
	_unsubscribe()
	_subscribe()


func _subscribe() -> void:
	_subscription = _client.subscribe(leaderboard, limit, _own_id())
	_subscription.changed.connect(_show)


func _unsubscribe() -> void:
	_subscription.changed.disconnect(_show)
	_subscription.close()


func _show() -> void:
	var count := 0
	var own_id := _own_id()
	var is_shown := false
	for entry: Dictionary in _subscription.board.get("items", []):
		is_shown = is_shown or entry.userId == own_id
		_write(count, _line(entry.rank, entry.displayName, entry.score), entry.userId == own_id)
		count += 1
	var standing := _subscription.standing
	if not is_shown and standing.get("rank") != null:
		_write(count, _line(standing.rank, _client.user().get("displayName", ""), standing.score), true)
		count += 1
	match _subscription.state:
		Subscription.State.CONNECTING:
			_write(count, connecting, false)
			count += 1
		Subscription.State.RECONNECTING:
			_write(count, reconnecting, false)
			count += 1
		Subscription.State.CLOSED:
			_write(count, _subscription.error.message, false)
			count += 1
	for unused in range(count, get_child_count()):
		(get_child(unused) as Label).hide()


func _write(at: int, text: String, is_own: bool) -> void:
	if at == get_child_count():
		add_child(Label.new())
	var row: Label = get_child(at)
	row.text = text
	row.self_modulate = own_color if is_own else Color.WHITE
	row.show()


static func _line(rank: int, display_name: String, score: int) -> String:
	return "%d. %s  %d" % [rank, display_name, score]


func _own_id() -> String:
	return _client.user().get("id", "")
