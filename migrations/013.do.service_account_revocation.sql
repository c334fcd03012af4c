ALTER TABLE service_accounts ADD revoked_at timestamptz(3);
