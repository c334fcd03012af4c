package scoreboard

// SetClock gives tests a clock of their own.
func (c *Client) SetClock(clock clock) { c.clock = clock }

// AwaitLogIn returns when the log-in under way has ended.
func (c *Client) AwaitLogIn() {
	c.mutex.Lock()
	current := c.login
	c.mutex.Unlock()
	if current != nil {
		<-current.done
	}
}
