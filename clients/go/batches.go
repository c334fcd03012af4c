package scoreboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// maxBatch is how many items the service takes in one request.
const maxBatch = 500

// inBatches sends the items 0 to count-1 in parts, and those again that have failed with a 5xx. send returns what has become of each item
// of a part: nil if nothing is wrong with it.
func (c *Client) inBatches(ctx context.Context, count int, send func(part []int, until time.Time) ([]*Error, *Error)) *Error {
	left := make([]int, count)
	for i := range left {
		left[i] = i
	}
	errs := make([]*Error, count)
	until := c.until()
	answered, failures := 0, 0
	for len(left) > 0 {
		part := left
		if len(part) > maxBatch {
			part = part[:maxBatch]
		}
		left = left[len(part):]
		answers, failure := send(part, until)
		if failure != nil {
			// Of the parts before, items have been taken.
			failure.InDoubt = failure.InDoubt || answered > 0
			return failure
		}
		answered += len(part)
		var failed []int
		for i, index := range part {
			answer, before := answers[i], errs[index]
			if answer != nil {
				answer.InDoubt = answer.InDoubt || before != nil && before.InDoubt
				if answer.Status >= http.StatusInternalServerError {
					failed = append(failed, index)
				}
			}
			errs[index] = answer
		}
		pause := backoff(failures)
		if len(failed) == 0 || c.now().Add(pause).After(until) {
			continue
		}
		failures++
		left = append(left, failed...)
		if c.wait(ctx, pause) != nil {
			return ended(ctx, true)
		}
	}
	return nil
}

// batched is one item of the response to a batch: a value, or an error.
type batched[T any] struct {
	value T
	err   *Error
}

// sendBatch reads the value of each item from the field of that name.
func sendBatch[T any](
	ctx context.Context, c *Client, path string, body any, field string, count int, until time.Time,
) ([]batched[T], *Error) {
	var answer struct {
		Items []map[string]json.RawMessage `json:"items"`
	}
	if failure := c.send(ctx, request{method: http.MethodPost, path: path, body: body, repeatable: true}, until, &answer); failure != nil {
		return nil, failure
	}
	if len(answer.Items) != count {
		return nil, unreachable(fmt.Errorf("%d items for %d", len(answer.Items), count))
	}
	items := make([]batched[T], count)
	for i, parts := range answer.Items {
		var status int
		var failed *problem
		switch {
		case json.Unmarshal(parts["status"], &status) != nil:
			return nil, unreachable(errors.New("an item has no status"))
		case parts[field] != nil && json.Unmarshal(parts[field], &items[i].value) == nil:
		case parts["problem"] != nil && json.Unmarshal(parts["problem"], &failed) == nil && failed != nil:
			items[i].err = failed.error(status)
		default:
			return nil, unreachable(fmt.Errorf("an item has neither a %s nor a problem", field))
		}
	}
	return items, nil
}
