BEGIN TRANSACTION;
CREATE TABLE decisions (
	decision_id VARCHAR NOT NULL, 
	run_id VARCHAR NOT NULL, 
	decision_time VARCHAR NOT NULL, 
	event_timestamp VARCHAR NOT NULL, 
	action VARCHAR NOT NULL, 
	reason TEXT NOT NULL, 
	feature_service VARCHAR NOT NULL, 
	model_name VARCHAR NOT NULL, 
	model_version VARCHAR NOT NULL, 
	model_sha256 VARCHAR NOT NULL, 
	decision_json TEXT NOT NULL, 
	PRIMARY KEY (decision_id), 
	FOREIGN KEY(run_id) REFERENCES runs (run_id)
);
INSERT INTO "decisions" VALUES('d144803e51926bce2610a584','r1','2025-03-18T17:00:00.000000+00:00','2025-03-18T17:00:00.000000+00:00','open','because','pair_model_v1','pair_forest','1','mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm','{"action":"open","reason":"because","scores":[],"exits":[],"entries":[{"position_id":"BTC__SOL@20250318T1700Z","pair":{"base":"BTC","quote":"SOL"},"direction":-1,"z":1.7,"probability":0.6,"score":1.02,"legs":[{"asset":"BTC","side":"sell","contracts":"1.25","reference_price":80000.0,"stops":{"stop_distance":2400.0,"target_distance":3200.0,"stop_bounds":[0.02,0.1],"target_bounds":[0.02,0.15],"stop_default":0.06,"target_default":0.05}}]}],"state":{"available_usdt":10000.0,"positions":[],"bars_since_exit":null,"correlations":{},"correlations_at":null}}');
CREATE TABLE feature_vectors (
	decision_id VARCHAR NOT NULL, 
	service VARCHAR NOT NULL, 
	entity VARCHAR NOT NULL, 
	event_timestamp VARCHAR, 
	values_json TEXT NOT NULL, 
	PRIMARY KEY (decision_id, service, entity), 
	FOREIGN KEY(decision_id) REFERENCES decisions (decision_id)
);
INSERT INTO "feature_vectors" VALUES('d144803e51926bce2610a584','pair_model_v1','BTC__SOL','2025-03-18T17:00:00.000000+00:00','{"z_score": 0.30000000000000004, "x": null}');
CREATE TABLE fills (
	instrument VARCHAR NOT NULL, 
	trade_id VARCHAR NOT NULL, 
	order_id VARCHAR NOT NULL, 
	position_id VARCHAR NOT NULL, 
	client_order_id VARCHAR NOT NULL, 
	side VARCHAR NOT NULL, 
	contracts VARCHAR NOT NULL, 
	price VARCHAR NOT NULL, 
	fee_usdt VARCHAR NOT NULL, 
	pnl_usdt VARCHAR NOT NULL, 
	at VARCHAR NOT NULL, 
	PRIMARY KEY (instrument, trade_id, order_id)
);
CREATE TABLE intents (
	client_order_id VARCHAR NOT NULL, 
	decision_id VARCHAR, 
	position_id VARCHAR NOT NULL, 
	leg INTEGER NOT NULL, 
	purpose VARCHAR NOT NULL, 
	attempt INTEGER NOT NULL, 
	instrument VARCHAR NOT NULL, 
	side VARCHAR NOT NULL, 
	contracts VARCHAR NOT NULL, 
	order_type VARCHAR NOT NULL, 
	reduce_only BOOLEAN NOT NULL, 
	stop_price VARCHAR, 
	target_price VARCHAR, 
	created_at VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	order_id VARCHAR, 
	filled_contracts VARCHAR NOT NULL, 
	average_price VARCHAR, 
	PRIMARY KEY (client_order_id), 
	UNIQUE (position_id, leg, purpose, attempt), 
	FOREIGN KEY(decision_id) REFERENCES decisions (decision_id)
);
INSERT INTO "intents" VALUES('pairitye1','d144803e51926bce2610a584','p1',0,'entry',0,'BTC-USDT-SWAP','buy','1.50','market',0,NULL,NULL,'2025-03-18T17:00:00.000000+00:00','intended',NULL,'0',NULL);
CREATE TABLE meta (
	"key" VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "meta" VALUES('schema_version','1');
INSERT INTO "meta" VALUES('scope','test');
CREATE TABLE order_events (
	seq INTEGER NOT NULL, 
	client_order_id VARCHAR NOT NULL, 
	at VARCHAR NOT NULL, 
	state VARCHAR NOT NULL, 
	answer TEXT NOT NULL, 
	PRIMARY KEY (seq), 
	FOREIGN KEY(client_order_id) REFERENCES intents (client_order_id)
);
INSERT INTO "order_events" VALUES(1,'pairitye1','2025-03-18T17:00:00.000000+00:00','intended','');
CREATE TABLE positions (
	position_id VARCHAR NOT NULL, 
	opened_at VARCHAR NOT NULL, 
	position_json TEXT NOT NULL, 
	closed_at VARCHAR, 
	exit_reason VARCHAR, 
	exit_price VARCHAR, 
	pnl_usdt VARCHAR, 
	fees_usdt VARCHAR, 
	funding_usdt VARCHAR, 
	PRIMARY KEY (position_id)
);
INSERT INTO "positions" VALUES('p1','2025-03-18T17:00:00.000000+00:00','{"position_id":"p1","pair":{"base":"BTC","quote":"ETH"},"direction":1,"legs":[{"asset":"BTC","side":"buy","contracts":"1","entry_price":1.0,"stop_price":0.9,"target_price":1.1}],"opened_at":"2025-03-18T17:00:00Z","entry_z":-1.5,"entry_score":1.0,"last_z":-1.5,"bars_held":0,"missing_bars":0}',NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE runs (
	run_id VARCHAR NOT NULL, 
	started_at VARCHAR NOT NULL, 
	mode VARCHAR NOT NULL, 
	settings_digest VARCHAR NOT NULL, 
	model_name VARCHAR NOT NULL, 
	model_version VARCHAR NOT NULL, 
	model_sha256 VARCHAR NOT NULL, 
	code_revision VARCHAR NOT NULL, 
	PRIMARY KEY (run_id)
);
INSERT INTO "runs" VALUES('r1','2025-03-18T17:00:00.000000+00:00','paper','ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss','pair_forest','1','mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm','abc');
CREATE INDEX ix_positions_closed_at ON positions (closed_at);
CREATE INDEX ix_fills_position_id ON fills (position_id);
CREATE INDEX ix_decisions_event_timestamp ON decisions (event_timestamp);
CREATE INDEX ix_intents_order_id ON intents (order_id);
CREATE INDEX ix_intents_state ON intents (state);
CREATE INDEX ix_intents_position_id ON intents (position_id);
CREATE INDEX ix_order_events_client_order_id ON order_events (client_order_id);
COMMIT;
