extends RefCounted
## JSON with whole numbers as int: Godot reads every number as float, and would show a score as 17.0.


## Null if it is not JSON.
static func parse(text: String) -> Variant:
	var json := JSON.new()
	return _whole(json.data) if json.parse(text) == OK else null


static func _whole(value: Variant) -> Variant:
	if value is float and value == floorf(value) and absf(value) < 2.0 ** 53:
		return int(value)
	if value is Array:
		return (value as Array).map(_whole)
	if value is Dictionary:
		var members := {}
		for name: Variant in value:
			members[name] = _whole(value[name])
		return members
	return value
