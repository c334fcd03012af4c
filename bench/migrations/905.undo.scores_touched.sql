ALTER TABLE scores DROP events;
