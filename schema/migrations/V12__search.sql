-- Search in what people wrote.

-- The words of a text as the index holds them: Russian ones by Russian rules, those in
-- Latin letters by English ones, which is what PostgreSQL's configuration for Russian
-- does. People write «е» for «ё».
CREATE FUNCTION chat.words(p_text text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('pg_catalog.russian'::regconfig, translate(p_text, 'ёЁ', 'еЕ'))
$$;

-- What is looked for: all words, and something that is, or begins with, the last one,
-- which may still be being typed. The words are separated by spaces; the last one is
-- letters and digits only. The beginning is not stemmed: «болит» would begin «больница».
CREATE FUNCTION chat.wanted(p_words text, p_last text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT plainto_tsquery('pg_catalog.russian'::regconfig, translate(p_words, 'ёЁ', 'еЕ'))
        && (plainto_tsquery('pg_catalog.russian'::regconfig, translate(p_last, 'ёЁ', 'еЕ'))
            || to_tsquery('pg_catalog.simple'::regconfig,
                          translate(p_last, 'ёЁ', 'еЕ') || ':*'))
$$;

-- An expression and not a column: nothing else needs it, and pages of history would
-- carry it along. New entries wait in a list that a writer merges when it is full; a
-- short list makes that wait a short one.
CREATE INDEX messages_words ON chat.messages USING gin (chat.words(text))
    WITH (gin_pending_list_limit = 256) WHERE kind <> 'system';
