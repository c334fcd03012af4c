DROP TABLE told_leaders;
DROP TABLE webhook_deliveries;
DROP TABLE webhooks;
