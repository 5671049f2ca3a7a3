import { CButton } from '@coreui/react';
import { foundWords, type MessageHit } from '@housecall/sdk';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';

import { problemText } from '../api/problems';
import { itemsOf, type useMessageSearch } from '../api/queries';
import { shortAge } from '../format/time';
import { Icon } from '../ui/Icon';
import { iconFile, iconNote } from '../ui/icons';
import { Marked } from '../ui/Marked';
import { useNow } from '../ui/useNow';
import type { DeskPlace } from './useDeskPlace';

import './hits.css';

type Search = ReturnType<typeof useMessageSearch>;
type Props = { query: Search; place: DeskPlace };

const TICK_MS = 60_000;

function Hit({ hit, place }: { hit: MessageHit; place: DeskPlace }) {
  const { t, i18n } = useTranslation();
  const now = useNow(TICK_MS);
  const name = hit.patient.name || t('person.noName');
  const to = hit.consultation
    ? place.addressOf(place.tab, hit.consultation, hit.seq)
    // Read by way of a callback alone: there is no consultation to open.
    : `/clients/${hit.patient.id}?message=${hit.seq}`;
  return (
    <li>
      <Link
        to={to} state={{ found: foundWords(hit) }} className="hc-hit" data-testid="message-hit"
        data-conversation={hit.conversation} data-seq={hit.seq}
      >
        <span className="hc-row-line">
          <strong>{name}</strong>
          <span className="hc-when">{shortAge(hit.sent_at, now, i18n.language, t)}</span>
        </span>
        <span className="hc-hit-words">
          {hit.kind === 'note' && <Icon icon={iconNote} size={15} />}
          {hit.from === 'operator' && <em>{`${hit.sender_name}: `}</em>}
          {hit.file_name.length > 0 && (
            <span className="hc-hit-file"><Icon icon={iconFile} size={15} /><Marked parts={hit.file_name} />{hit.snippet.length > 0 && ' '}</span>
          )}
          <Marked parts={hit.snippet} />
        </span>
      </Link>
    </li>
  );
}

/** Messages that hold the words, in whatever conversation the operator may read. */
export function Hits({ query, place }: Props) {
  const { t } = useTranslation();
  const hits = itemsOf(query.data);
  if (query.isError) {
    return <p className="hc-hits-said" role="alert">{problemText(t, query.error)}</p>;
  }
  if (hits.length === 0) return null;
  return (
    <section aria-labelledby="hits-title" data-testid="hits">
      <h3 id="hits-title" className="hc-list-head">{t('find.inMessages')}</h3>
      <ul className="hc-hits">
        {hits.map((hit) => <Hit key={`${hit.conversation} ${hit.seq}`} hit={hit} place={place} />)}
        {query.hasNextPage && (
          <li className="hc-more">
            <CButton color="secondary" variant="outline" disabled={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
              {t('state.more')}
            </CButton>
          </li>
        )}
      </ul>
    </section>
  );
}
