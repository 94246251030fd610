-- The schema that config/registry.yaml reads, with sample data: the register of a commodity exchange
-- as an old application keeps it. For PostgreSQL 14 or newer, in a database of its own:
--
--   createdb registry && psql -d registry -f config/registry.sql

-- Who trades: kind 1 produces, kind 2 buys, kind 3 buys for others; other kinds are of no interest.
CREATE TABLE msg_anag (
    id_anag   integer PRIMARY KEY,
    tipo      smallint NOT NULL,
    abil      boolean NOT NULL DEFAULT true,      -- enabled
    rag_soc   varchar(80) NOT NULL,               -- name of the firm
    p_iva     char(11),                           -- VAT number
    e_mail    varchar(120),
    citta     varchar(60),
    naz       char(2) NOT NULL DEFAULT 'IT',
    stato     char(1) NOT NULL DEFAULT 'A',       -- A active, S suspended, C closed
    fido      numeric(12, 2),                     -- credit
    ute_ins   integer NOT NULL,                   -- who entered it
    dt_ins    timestamp NOT NULL
);

-- What they trade.
CREATE TABLE msg (
    id_msg    bigint PRIMARY KEY,
    id_prod   integer NOT NULL REFERENCES msg_anag,
    id_acq    integer NOT NULL REFERENCES msg_anag,
    abil      boolean NOT NULL DEFAULT true,
    dt_msg    date NOT NULL,
    merce     varchar(40) NOT NULL,
    qta       numeric(14, 3) NOT NULL,
    prezzo    numeric(12, 4) NOT NULL,
    stato     char(1) NOT NULL DEFAULT 'N',       -- N new, C confirmed, D delivered, X cancelled
    ute_ins   integer,
    dt_ins    timestamp NOT NULL
);
CREATE INDEX ON msg (id_prod);
CREATE INDEX ON msg (id_acq);

INSERT INTO msg_anag
SELECT n,
       (ARRAY[1, 1, 2, 2, 3, 9])[1 + n % 6],
       n % 11 <> 0,
       'Ditta ' || n || CASE WHEN n % 4 = 0 THEN ' & Figli' ELSE '' END,
       CASE WHEN n % 7 <> 0 THEN lpad((n * 7919)::text, 11, '0') END,
       CASE WHEN n % 3 <> 0 THEN 'Info' || n || '@Ditta.example' END,
       (ARRAY['Forlì', 'Bologna', 'Zürich', 'Łódź'])[1 + n % 4],
       (ARRAY['IT', 'IT', 'CH', 'PL'])[1 + n % 4],
       (ARRAY['A', 'A', 'S', 'C'])[1 + n % 4],
       CASE WHEN n % 5 <> 0 THEN n * 1000.5 END,
       n % 5,
       timestamp '1998-05-04 09:30:00' + n * interval '3 days 1 hour'
FROM generate_series(1, 120) AS n;

INSERT INTO msg
SELECT n,
       p.id_anag,
       b.id_anag,
       n % 10 <> 0,
       date '2019-01-01' + (n % 700)::integer,
       (ARRAY['grano', 'mais', 'orzo', 'soia'])[1 + n % 4],
       n * 1.125,
       150 + n * 0.0375,
       (ARRAY['N', 'C', 'D', 'X', '?'])[1 + n % 5],
       CASE WHEN n % 6 <> 0 THEN n % 5 END,
       timestamp '2019-01-01 07:00:00' + n * interval '37 minutes'
FROM generate_series(1, 400) AS n
CROSS JOIN LATERAL (SELECT id_anag FROM msg_anag WHERE tipo = 1 ORDER BY (id_anag * 31 + n) % 97, id_anag LIMIT 1) AS p
CROSS JOIN LATERAL (SELECT id_anag FROM msg_anag WHERE tipo IN (2, 3) ORDER BY (id_anag * 17 + n) % 89, id_anag LIMIT 1) AS b;
