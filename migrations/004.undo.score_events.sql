DROP TABLE score_events;
