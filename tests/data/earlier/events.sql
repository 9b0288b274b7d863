CREATE TABLE allotment_events (id INTEGER NOT NULL, time DATETIME NOT NULL, kind VARCHAR(40) NOT NULL, user VARCHAR(255) NOT NULL, profile VARCHAR(100) NOT NULL, revision VARCHAR(64) NOT NULL, details JSON NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_allotment_events_time ON allotment_events (time);
CREATE INDEX ix_allotment_events_profile ON allotment_events (profile);
INSERT INTO allotment_events (time, kind, user, profile, revision, details) VALUES ('2026-11-26 12:00:00.000000', 'start', 'ana', 'red/notebook', 'c0ffee00', '{"server": "", "options": {"size": "large"}}');
