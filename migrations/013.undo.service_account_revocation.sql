ALTER TABLE service_accounts DROP revoked_at;
