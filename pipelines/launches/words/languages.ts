import { EN, type Words } from './en.ts'
import { KO } from './ko.ts'

export const LANGUAGES = ['en', 'ko'] as const
export type Language = (typeof LANGUAGES)[number]

export const WORDS: Readonly<Record<Language, Words>> = { en: EN, ko: KO }
