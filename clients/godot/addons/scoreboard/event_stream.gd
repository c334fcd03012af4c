extends RefCounted
## Reads server-sent events out of bytes that arrive in any pieces.

signal received(event: String, data: String)

## The largest board is far smaller; what is longer is not from the service.
const LONGEST := 1 << 20
const NEWLINE := 10

## Seconds to wait before a reconnect; negative if the service has not said any.
var retry_s := -1.0

var _bytes := PackedByteArray()
var _event := ""
var _data := ""


## False if an event is too long.
func add(bytes: PackedByteArray) -> bool:
	_bytes.append_array(bytes)
	var start := 0
	var end := _bytes.find(NEWLINE)
	while end >= 0:
		# Whole lines only, so that no character is cut.
		_end_line(_bytes.slice(start, end).get_string_from_utf8().trim_suffix("\r"))
		start = end + 1
		end = _bytes.find(NEWLINE, start)
	_bytes = _bytes.slice(start)
	return _bytes.size() + _data.length() <= LONGEST


func _end_line(line: String) -> void:
	if line == "":
		var event := _event
		var data := _data
		_event = ""
		_data = ""
		if data != "":
			received.emit(event, data.trim_suffix("\n"))
		return
	var colon := line.find(":")
	var field := line if colon < 0 else line.left(colon)
	var value := "" if colon < 0 else line.substr(colon + 1).trim_prefix(" ")
	match field:
		"event":
			_event = value
		"data":
			_data += value + "\n"
		"retry":
			if value.is_valid_int():
				retry_s = value.to_int() / 1_000.0
