@tool
extends EditorPlugin
## Makes the client an autoload with the name Scoreboard, and its address a setting of the project.

const AUTOLOAD := "Scoreboard"
const BASE_URL := "scoreboard/base_url"


func _enable_plugin() -> void:
	add_autoload_singleton(AUTOLOAD, "scoreboard.gd")


func _disable_plugin() -> void:
	remove_autoload_singleton(AUTOLOAD)


func _enter_tree() -> void:
	if not ProjectSettings.has_setting(BASE_URL):
		ProjectSettings.set_setting(BASE_URL, "http://localhost:3000")
	ProjectSettings.set_initial_value(BASE_URL, "http://localhost:3000")
	ProjectSettings.set_as_basic(BASE_URL, true)
