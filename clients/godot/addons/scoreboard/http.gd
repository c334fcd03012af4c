extends Node
## Calls the service once, and reads its responses.

const RealTime := preload("real_time.gd")
const Result := preload("result.gd")
const TIMEOUT_S := 15.0

## Of the service, like https://scores.example.com.
var base_url := "":
	set(url):
		base_url = url.trim_suffix("/")


## The body of the response. The request is given up after 15 s.
func ask(method: HTTPClient.Method, path: String, body: Dictionary = {}, access_token: String = "") -> Result:
	var http := HTTPRequest.new()
	add_child(http)
	var has_body := method == HTTPClient.METHOD_POST or method == HTTPClient.METHOD_PATCH
	var headers := PackedStringArray(["Content-Type: application/json"] if has_body else [])
	if access_token != "":
		headers.append("Authorization: Bearer " + access_token)
	var result: Result = Result.failed(Result.UNREACHABLE, "No response.")
	if http.request(base_url + path, headers, method, JSON.stringify(body) if has_body else "") == OK:
		# Its own timeout follows Engine.time_scale.
		var timeout := RealTime.after(TIMEOUT_S)
		var expire := func() -> void:
			http.request_completed.emit(HTTPRequest.RESULT_TIMEOUT, 0, PackedStringArray(), PackedByteArray())
		timeout.connect(expire)
		var answer: Array = await http.request_completed
		timeout.disconnect(expire)
		if answer[0] == HTTPRequest.RESULT_SUCCESS:
			var bytes: PackedByteArray = answer[3]
			result = Result.of_response(answer[1], answer[2], bytes.get_string_from_utf8())
	http.queue_free()
	return result
