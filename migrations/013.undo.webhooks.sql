DROP TABLE published_leaders;
DROP TABLE webhook_deliveries;
DROP TABLE webhooks;
