import { amountText } from '../time.ts'
import type { FiguresWords } from './figures-en.ts'
import { KO } from './ko.ts'

/** The Korean texts of the page of figures. */
export const FIGURES_KO: FiguresWords = {
  title: '발사 통계',
  link: '통계',
  about: '저장된 발사로 계산한 월별 발사 수, 로켓·기관별 성공률, 연기 현황입니다.',
  from: (month) => `${month} 이후의 발사 (UTC 기준)`,
  span: '기간',
  years: (count) => `${count}년`,
  outcomes: { success: '성공', partial: '부분 실패', failure: '실패', open: '결과 미정' },
  csv: 'CSV 파일',
  table: '표로 보기',
  months: { title: '월별 발사 수', chart: (launches) => `결과별 월간 발사 수, 총 ${launches}회`, month: '월' },
  launches: '발사',
  rate: '성공률',
  rateAbout: '부분 실패는 성공이 아닙니다. 결과가 나오지 않은 발사는 성공률에서 제외합니다.',
  rockets: { title: '로켓별 성공률', name: '로켓' },
  providers: { title: '발사 기관별 성공률', name: '발사 기관' },
  unknown: '알 수 없음',
  share: '비율',
  more: (count) => `나머지 ${count}건은 CSV에 있습니다.`,
  slips: {
    title: '발사 기관별 연기',
    about:
      '정밀도는 그대로인 채 발사 시각이 15분 이상 늦춰지면 연기로 셉니다. 발사 전부터 저장된 발사만 세며, 예정된 발사도 포함합니다.',
    slipped: '연기된 발사',
    often: '발사당 연기 횟수',
    median: '지연 중앙값',
    longest: '최장 지연',
    bar: '연기된 비율',
    delay: (ms) => amountText(ms, KO),
  },
  none: '이 기간의 발사가 없습니다',
  noneAbout: '역대 모든 발사 가져오기:',
  noSlips: '발사 전부터 저장된 발사가 아직 없습니다',
  noSlipsAbout: '파이프라인이 실행되면서 표가 채워집니다.',
}
