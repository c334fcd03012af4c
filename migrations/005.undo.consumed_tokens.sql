DROP TABLE consumed_tokens;
