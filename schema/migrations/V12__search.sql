-- Search in what people wrote, and in the names of files.

-- Words by their stems: those in Cyrillic letters by Russian rules, those in Latin
-- letters by English ones. No word is left out: people do look for «лучше» and «нет»,
-- which the lists of stop words hold.
CREATE TEXT SEARCH DICTIONARY chat.russian (TEMPLATE = pg_catalog.snowball, Language = russian);
CREATE TEXT SEARCH DICTIONARY chat.english (TEMPLATE = pg_catalog.snowball, Language = english);
CREATE TEXT SEARCH CONFIGURATION chat.language (COPY = pg_catalog.russian);
ALTER TEXT SEARCH CONFIGURATION chat.language
    ALTER MAPPING REPLACE pg_catalog.russian_stem WITH chat.russian;
ALTER TEXT SEARCH CONFIGURATION chat.language
    ALTER MAPPING REPLACE pg_catalog.english_stem WITH chat.english;

-- A text as it is searched, character for character: «е» for «ё», as most people write,
-- and no signs, so that «120/80», «38.5» and an address are words and not one token.
CREATE FUNCTION chat.searched(p_text text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT translate(p_text, E'ёЁ!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~', 'еЕ' || repeat(' ', 32))
$$;

CREATE FUNCTION chat.words(p_text text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('chat.language'::regconfig, chat.searched(p_text))
$$;

-- What is looked for: all words, but for those that mean nothing («в», «и»), and
-- something that is, or begins with, the last one, which may still be being typed. The
-- last one is letters and digits only. Its beginning is not stemmed: «болит» would begin
-- «больница».
CREATE FUNCTION chat.wanted(p_words text, p_last text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT plainto_tsquery('pg_catalog.russian'::regconfig, chat.searched(p_words))
        && (plainto_tsquery('chat.language'::regconfig, chat.searched(p_last))
            || to_tsquery('pg_catalog.simple'::regconfig, chat.searched(p_last) || ':*'))
$$;

-- Expressions and not columns: nothing else needs them, and pages of history would
-- carry them along. New entries wait in a list that the CRM merges every second; only a
-- list of 16 MB, when no CRM runs, is merged by who writes.
CREATE INDEX messages_words ON chat.messages USING gin (chat.words(text))
    WITH (gin_pending_list_limit = 16384) WHERE kind <> 'system';
CREATE INDEX files_words ON crm.files USING gin (chat.words(name));

-- From a file to the message that carries it.
CREATE INDEX messages_file_id ON chat.messages (conversation_id, file_id)
    WHERE file_id IS NOT NULL;
