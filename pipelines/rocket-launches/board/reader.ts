import { accepts, createContext, useContext, type WebContext } from 'tminus/web'
import { BOARD_EN } from '../../launches/words/board-en.ts'
import { BOARD_KO } from '../../launches/words/board-ko.ts'
import { EN } from '../../launches/words/en.ts'
import { FIGURES_EN } from '../../launches/words/figures-en.ts'
import { FIGURES_KO } from '../../launches/words/figures-ko.ts'
import { KO } from '../../launches/words/ko.ts'
import { LANGUAGES, type Language } from '../../launches/words/languages.ts'
import { PAGE_EN } from '../../launches/words/page-en.ts'
import { PAGE_KO } from '../../launches/words/page-ko.ts'

export const ENGLISH = {
  language: 'en' as Language,
  locale: 'en-GB',
  words: EN,
  board: BOARD_EN,
  page: PAGE_EN,
  figures: FIGURES_EN,
}

/** All texts for a reader. `words`: those that channels have too. */
export type Reader = typeof ENGLISH

const READERS: Readonly<Record<Language, Reader>> = {
  en: ENGLISH,
  ko: { language: 'ko', locale: 'ko-KR', words: KO, board: BOARD_KO, page: PAGE_KO, figures: FIGURES_KO },
}

/** The reader's most preferred language (Accept-Language) that the board has, else English. `ko-KR` is `ko`. */
export function readerOf(c: WebContext): Reader {
  const language = accepts(c, {
    header: 'Accept-Language',
    supports: [...LANGUAGES],
    default: 'en',
    match: (accepted, { supports, default: none }) => {
      const preferred = accepted.filter(({ q }) => q > 0).sort((a, b) => b.q - a.q)
      const languages = preferred.map(({ type }) => type.toLowerCase().split('-')[0] ?? '')
      return languages.find((one) => supports.includes(one)) ?? none
    },
  })
  return READERS[language as Language]
}

/** Gives a page the texts of its reader. */
export const ReaderContext = createContext<Reader>(ENGLISH)

/** The texts of the reader, for a component of the page. */
export function useReader(): Reader {
  return useContext(ReaderContext)
}
