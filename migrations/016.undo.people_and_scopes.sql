DROP TABLE administrator_sessions;
DROP TABLE recovery_codes;
DROP TABLE administrators;
-- What has scopes of its own cannot be kept: the version before would not know what it may do.
DELETE FROM service_accounts WHERE role IS NULL;
ALTER TABLE service_accounts DROP last_used_at;
ALTER TABLE service_accounts DROP previous_secret_until;
ALTER TABLE service_accounts DROP previous_secret_hash;
ALTER TABLE service_accounts DROP scopes;
ALTER TABLE service_accounts ALTER role SET NOT NULL;
