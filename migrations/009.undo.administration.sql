DROP TABLE admin_acts;
DROP TABLE admin_audit;
