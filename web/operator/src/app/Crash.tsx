import { CButton } from '@coreui/react';
import i18next from 'i18next';
import { Component, type ReactNode } from 'react';

type Props = { children: ReactNode };

/** The last net: says that data are safe and offers the one thing that helps. */
export class Crash extends Component<Props, { crashed: boolean }> {
  override state = { crashed: false };

  static getDerivedStateFromError() {
    return { crashed: true };
  }

  override render() {
    if (!this.state.crashed) return this.props.children;
    return (
      <div className="hc-state" role="alert">
        <strong>{i18next.t('state.crashed')}</strong>
        <p>{i18next.t('state.crashedHint')}</p>
        <CButton color="primary" onClick={() => window.location.reload()}>
          {i18next.t('state.reload')}
        </CButton>
      </div>
    );
  }
}
