extends RefCounted
## What a call returns: a value, or an error that is distinguished by its code.

## There was no response, or an invalid one: the request may have been processed.
const UNREACHABLE := "unreachable"
## An error that is not from the service.
const UNEXPECTED_ANSWER := "unexpected-answer"
## The action has not counted yet: it is stored and will be sent.
const QUEUED := "queued"
## Too many actions are waiting: this one was not accepted.
const QUEUE_FULL := "queue-full"

const Json := preload("json.gd")

## The body of the response; empty with an error.
var value: Dictionary = {}
## A code of the service, or one of the constants above; empty without an error.
var code := ""
## English, for developers.
var message := ""
## Status of the HTTP response; 0 if there was none.
var status := 0
## Seconds to wait before a retry, if the service asks for it.
var retry_after := 0.0
## Give it to the operators of the service when you report the error.
var request_id := ""
## With action-token-replayed: the event that the token counted as.
var original: Dictionary = {}


## Whether there was no error.
func is_ok() -> bool:
	return code == ""


## Whether the same request may succeed later; an answer that is not from the service says nothing about that.
func may_pass() -> bool:
	return code == UNREACHABLE or code == UNEXPECTED_ANSWER or status == 429 or status >= 500


## Whether the service says that the session is over: a 401 of a proxy does not.
func ends_session() -> bool:
	return code in ["refresh-token-invalid", "refresh-token-reused", "unauthenticated"]


static func of(body: Dictionary) -> RefCounted:
	var result := new()
	result.value = body
	return result


static func failed(error_code: String, text: String, http_status: int = 0, seconds: float = 0.0) -> RefCounted:
	var result := new()
	result.code = error_code
	result.message = text
	result.status = http_status
	result.retry_after = seconds
	return result


## Reads a response; an error may be from a proxy in between.
static func of_response(http_status: int, headers: PackedStringArray, text: String) -> RefCounted:
	var parsed: Variant = {} if text == "" else Json.parse(text)
	var body: Dictionary = parsed if parsed is Dictionary else {}
	if http_status >= 200 and http_status < 300:
		return of(body) if parsed is Dictionary else failed(UNREACHABLE, "The response is invalid.")
	var seconds := 0.0
	for header in headers:
		if header.to_lower().begins_with("retry-after:"):
			seconds = maxf(0.0, header.substr(12).strip_edges().to_float())
	if body.get("code") is String and body.get("detail") is String:
		var problem := failed(body.code, body.detail, http_status, seconds)
		problem.request_id = str(body.get("requestId", ""))
		var event: Variant = body.get("original")
		problem.original = event if event is Dictionary else {}
		return problem
	var kind := "rate-limited" if http_status == 429 else "service-unavailable" if http_status >= 500 else UNEXPECTED_ANSWER
	return failed(kind, "HTTP %d" % http_status, http_status, seconds)
