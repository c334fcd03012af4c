-- Access tokens of users who were erased lately are refused. Every instance looks for these when it starts.
CREATE INDEX users_erased_idx ON users (erased_at) WHERE erased_at IS NOT NULL;
