extends "res://addons/scoreboard/storage.gd"
## Keeps texts in the page, which the test can read and change.

var _page: JavaScriptObject
var _game: int


func _init(page: JavaScriptObject, game: int) -> void:
	_page = page
	_game = game


func open(_base_url: String) -> void:
	pass


func read(name: String) -> String:
	return _page.read(_game, name)


## Another game has taken the texts.
func take_away() -> void:
	lost.emit()


func write(name: String, text: String) -> void:
	_page.keep(_game, name, text)
