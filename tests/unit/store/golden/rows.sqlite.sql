CREATE TABLE "__visits" ("userId" TEXT NOT NULL, "start" INTEGER NOT NULL, "value" REAL, "entry" TEXT, "packed" BLOB, "_checksum" INTEGER NOT NULL, PRIMARY KEY ("userId", "start")) STRICT, WITHOUT ROWID
CREATE INDEX "_visits__by_time" ON "__visits" ("start")
CREATE TABLE "__visits" ("userId" TEXT NOT NULL, "start" INTEGER, "value" REAL, "entry" TEXT, "packed" BLOB, "_checksum" INTEGER NOT NULL, PRIMARY KEY ("userId")) STRICT, WITHOUT ROWID
