extends HBoxContainer
## A round: press the button as often as you can in ten seconds. Its coins are one score.

const SECONDS := 10.0

var _coins := 0

@onready var _coin: Button = $Game/Coin
@onready var _message: Label = $Game/Message


func _ready() -> void:
	_coin.pressed.connect(func() -> void: _coins += 1)
	Scoreboard.counted.connect(
		func(_action: Dictionary, receipt: Dictionary) -> void: _message.text = "%d points count." % receipt.points
	)
	Scoreboard.refused.connect(
		func(_action: Dictionary, error: RefCounted) -> void: _message.text = error.message
	)
	while is_inside_tree():
		await _play()


func _play() -> void:
	_coins = 0
	# Where it fails, as offline, the action gets its token later.
	var begun := await Scoreboard.begin_action("finish-level")
	await get_tree().create_timer(SECONDS).timeout
	if _coins == 0:
		return
	_message.text = "Counting…"
	var result := await Scoreboard.perform_action("finish-level", mini(_coins, 100), begun.value)
	if result.code == "queued":
		_message.text = "Saved. It counts when you are online again."
