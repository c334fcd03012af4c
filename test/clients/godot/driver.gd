extends Node
## Runs the games that the page starts, as the engine takes its time to start. Lines of JSON come from the page: {game, start} with its
## options, {game, command} with that of test/clients/game.ts, and {game, end}.

const Game := preload("res://game.gd")
const Json := preload("res://addons/scoreboard/json.gd")

var _page: JavaScriptObject = JavaScriptBridge.get_interface("page")
## By their numbers.
var _games: Dictionary[int, Game] = {}


func _ready() -> void:
	# No wait may follow it.
	Engine.time_scale = 0.01
	_page.started()


func _process(_delta: float) -> void:
	var text: String = _page.next()
	while text != "":
		_obey(Json.parse(text))
		text = _page.next()


func _obey(line: Dictionary) -> void:
	var number: int = line.game
	if line.has("start"):
		_games[number] = Game.new(_page, number, line.start)
		add_child(_games[number])
	elif line.has("end"):
		_games[number].end()
		_games.erase(number)
	else:
		_games[number].obey(line.command)
