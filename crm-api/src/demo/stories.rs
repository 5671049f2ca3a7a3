//! What was said in the demo clinic.

use housecall_protocol::domain::CallMedia;

use super::people::{BELOVA, KUZNETSOV, PAVLOVA, PETROV, SMIRNOVA, SOKOLOVA, VOLKOVA};

/// A step of a consultation, `after_s` seconds after the one before.
pub(super) struct Step {
    pub(super) after_s: i64,
    pub(super) what: What,
}

pub(super) enum What {
    Patient(&'static str),
    Doctor(&'static str),
    /// Of the doctor, seen by operators only.
    Note(&'static str),
    /// A plain text file of the patient.
    File {
        name: &'static str,
        text: &'static str,
        caption: &'static str,
    },
    /// A call the doctor started; the step's time is its end.
    Call {
        media: CallMedia,
        talk_s: i64,
    },
}

/// A closed consultation.
pub(super) struct Story {
    pub(super) patient: usize,
    pub(super) doctor: usize,
    pub(super) specialty: Option<&'static str>,
    pub(super) days_ago: i64,
    /// Seconds the first question waited.
    pub(super) waited_s: i64,
    /// The first step is the question; the doctor takes it, then come the others.
    pub(super) steps: &'static [Step],
    pub(super) conclusion: &'static str,
}

const fn patient(after_s: i64, text: &'static str) -> Step {
    Step { after_s, what: What::Patient(text) }
}

const fn doctor(after_s: i64, text: &'static str) -> Step {
    Step { after_s, what: What::Doctor(text) }
}

const fn note(after_s: i64, text: &'static str) -> Step {
    Step { after_s, what: What::Note(text) }
}

/// Oldest first within each patient: a conversation is written in its order.
pub(super) const STORIES: [Story; 6] = [
    Story {
        patient: SMIRNOVA,
        doctor: SOKOLOVA,
        specialty: Some("cardiology"),
        days_ago: 41,
        waited_s: 95,
        steps: &[
            patient(
                0,
                "Добрый день. Последнюю неделю вечером сердце бьётся часто, пульс доходит до 104. Это опасно?",
            ),
            doctor(
                40,
                "Здравствуйте, Анна. Я кардиолог, Мария Соколова. Расскажите, пожалуйста: бывает ли при этом одышка, боль в груди, головокружение?",
            ),
            patient(
                75,
                "Боли нет, одышки тоже. Бывает тревожно, и ладони мокрые. Кофе пью три-четыре чашки, на работе аврал.",
            ),
            doctor(90, "Спасибо, это важно. Давление измеряли?"),
            patient(50, "Вчера 124 на 78, пульс 98."),
            doctor(65, "Давление хорошее. Давайте созвонимся на пару минут, так будет быстрее."),
            Step { after_s: 420, what: What::Call { media: CallMedia::Video, talk_s: 372 } },
            note(
                60,
                "Похоже на синусовую тахикардию на фоне недосыпа и кофеина. Если не пройдёт за две недели: ЭКГ, ТТГ, общий анализ крови.",
            ),
            doctor(
                80,
                "Как договорились: кофе не больше одной чашки до полудня, сон от семи часов, дневник пульса утром и вечером две недели. Сдайте ТТГ и общий анализ крови, пришлите результаты сюда.",
            ),
            patient(45, "Поняла, спасибо большое."),
        ],
        conclusion: "Синусовая тахикардия, вероятно, на фоне кофеина и недосыпа. Ограничить кофе, дневник пульса две недели, ТТГ и общий анализ крови. При боли в груди или обмороке сразу вызвать 103.",
    },
    Story {
        patient: SMIRNOVA,
        doctor: PETROV,
        specialty: None,
        days_ago: 12,
        waited_s: 140,
        steps: &[
            patient(
                0,
                "Здравствуйте. Третий день болит горло, температура 37,6, насморк. Нужен ли антибиотик?",
            ),
            doctor(
                50,
                "Здравствуйте, Анна. Терапевт Илья Петров. Антибиотик нужен не всегда, давайте разберёмся. Есть ли кашель, белые налёты на миндалинах, увеличены ли узлы на шее?",
            ),
            patient(
                110,
                "Кашель небольшой, сухой. Налёта не вижу, горло просто красное. Узлы не болят.",
            ),
            Step {
                after_s: 70,
                what: What::File {
                    name: "Общий анализ крови.txt",
                    text: "Общий анализ крови\n\nГемоглобин        132 г/л      (120-150)\nЭритроциты        4,4 млн/мкл  (3,8-5,1)\nТромбоциты        248 тыс/мкл  (150-400)\nЛейкоциты         6,1 тыс/мкл  (4,0-9,0)\n  нейтрофилы      52 %         (47-72)\n  лимфоциты       38 %         (19-37)\n  моноциты        8 %          (3-11)\nСОЭ               9 мм/ч       (2-15)\n",
                    caption: "Вчера сдала кровь, вот результат",
                },
            },
            doctor(
                130,
                "Анализ спокойный, лимфоциты чуть выше нормы: так бывает при вирусной инфекции. Антибиотик сейчас не нужен.",
            ),
            doctor(
                60,
                "Тёплое питьё, полоскание солевым раствором 4-5 раз в день, промывание носа, парацетамол при температуре выше 38,5. Дома проветривать и увлажнять воздух.",
            ),
            patient(40, "А на работу когда можно?"),
            doctor(
                55,
                "Когда сутки без температуры и есть силы. Если на пятый день станет хуже, температура поднимется выше 38,5 или появится налёт на миндалинах, напишите сюда сразу.",
            ),
            patient(35, "Спасибо, стало спокойнее."),
        ],
        conclusion: "ОРВИ, лёгкое течение. Антибиотик не показан. Питьё, полоскание, промывание носа, парацетамол при температуре выше 38,5. Написать, если на пятый день не станет лучше.",
    },
    Story {
        patient: KUZNETSOV,
        doctor: SOKOLOVA,
        specialty: Some("cardiology"),
        days_ago: 20,
        waited_s: 210,
        steps: &[
            patient(
                0,
                "Принимаю лизиноприл 10 мг с весны. Последнее время утром 150 на 95. Увеличить дозу самому?",
            ),
            doctor(
                70,
                "Здравствуйте, Сергей. Самому дозу лучше не менять. Измеряете сидя, после пяти минут покоя? В какое время принимаете таблетку?",
            ),
            patient(120, "Измеряю сразу как встал. Таблетку пью утром после завтрака."),
            doctor(
                95,
                "Тогда сделаем так: неделю измеряйте утром и вечером, сидя, через пять минут покоя, по два раза, и записывайте среднее. Таблетку пейте в одно и то же время. Отёки, сухой кашель есть?",
            ),
            patient(80, "Кашель иногда бывает, думал, от курения."),
            note(
                45,
                "Кашель может быть от ингибитора АПФ. Если подтвердится, замена на сартан. Сахар и липиды год не проверял.",
            ),
            doctor(
                60,
                "Кашель бывает и от этого лекарства, его можно заменить. Сдайте калий, креатинин, глюкозу и липидный профиль и напишите через неделю с дневником давления.",
            ),
            patient(50, "Хорошо, сделаю."),
        ],
        conclusion: "Артериальная гипертензия, неполный контроль. Дневник давления неделю, калий, креатинин, глюкоза, липиды. Вопрос о замене лизиноприла решить по результатам.",
    },
    Story {
        patient: VOLKOVA,
        doctor: BELOVA,
        specialty: Some("pediatrics"),
        days_ago: 6,
        waited_s: 75,
        steps: &[
            patient(
                0,
                "У сына (4 года, 17 кг) с ночи 38,9. Дала ибупрофен, упала до 37,8. Больше ничего не болит, но вялый.",
            ),
            doctor(
                35,
                "Здравствуйте, Мария. Педиатр Ольга Белова. Пьёт ли ребёнок, сколько раз мочился с утра, нет ли сыпи?",
            ),
            patient(60, "Пьёт компот понемногу, в туалет ходил два раза. Сыпи нет."),
            doctor(45, "Давайте посмотрю на него по видео."),
            Step { after_s: 330, what: What::Call { media: CallMedia::Video, talk_s: 291 } },
            doctor(
                70,
                "Сейчас признаков опасности нет. Ибупрофен 170 мг не чаще чем раз в 8 часов, если выше 38,5. Пить часто и понемногу, одежда лёгкая.",
            ),
            doctor(
                30,
                "Срочно вызывайте 103, если появится сыпь, которая не бледнеет при нажатии, судороги, частое дыхание или ребёнок не будет пить 6 часов.",
            ),
            patient(40, "Спасибо, записала. Напишу вечером, как он."),
            patient(21_600, "Вечером 37,4, поел и играет."),
            doctor(180, "Прекрасно. Ещё сутки наблюдайте, дальше по самочувствию."),
        ],
        conclusion: "Острая вирусная инфекция у ребёнка 4 лет, без признаков опасности. Жаропонижающее при температуре выше 38,5, питьё, наблюдение. Признаки, при которых звонить 103, объяснены.",
    },
    Story {
        patient: PAVLOVA,
        doctor: PETROV,
        specialty: Some("therapy"),
        days_ago: 3,
        waited_s: 180,
        steps: &[
            patient(
                0,
                "Здравствуйте, после ремонта чихаю и слезятся глаза. Какие таблетки можно, если за рулём?",
            ),
            doctor(
                60,
                "Здравствуйте, Елена. Чтобы не клонило в сон, подойдут препараты второго поколения: лоратадин или цетиризин, 10 мг один раз вечером. Беременности, болезней печени и почек нет?",
            ),
            patient(70, "Нет, всё в порядке."),
            doctor(
                50,
                "Тогда лоратадин 10 мг вечером, неделю. Влажная уборка каждый день, промывать нос солевым раствором. Если появится свист при дыхании, сразу напишите или звоните 103.",
            ),
            patient(30, "Спасибо, так и сделаю."),
        ],
        conclusion: "Аллергический ринит и конъюнктивит, вероятно, на строительную пыль. Лоратадин 10 мг вечером 7 дней, промывание носа, влажная уборка.",
    },
    Story {
        patient: KUZNETSOV,
        doctor: SOKOLOVA,
        specialty: Some("cardiology"),
        days_ago: 11,
        waited_s: 160,
        steps: &[
            patient(
                0,
                "Мария Андреевна, дневник за неделю: утром в среднем 146 на 92, вечером 138 на 88. Калий 4,4, креатинин 88, глюкоза 5,6, холестерин 5,9.",
            ),
            doctor(120, "Спасибо, Сергей, всё аккуратно. Почки и калий в порядке. Кашель остался?"),
            patient(60, "Да, сухой, по ночам мешает спать."),
            doctor(
                140,
                "Тогда вместо лизиноприла лозартан 50 мг утром. Через три недели повторим дневник и калий. Холестерин обсудим на той же консультации, пока меньше жирного и ходьба 30 минут в день.",
            ),
            patient(45, "Понял. Лизиноприл сразу бросать?"),
            doctor(35, "Да, завтра утром уже лозартан, вместе их не принимать."),
        ],
        conclusion: "Замена лизиноприла на лозартан 50 мг утром из-за сухого кашля. Дневник давления и калий через три недели.",
    },
];

/// The question that waits in the queue.
pub(super) struct Waiting {
    pub(super) patient: usize,
    pub(super) minutes_ago: i64,
    pub(super) texts: &'static [&'static str],
}

pub(super) const WAITING: Waiting = Waiting {
    patient: KUZNETSOV,
    minutes_ago: 4,
    texts: &[
        "Здравствуйте. Со вчерашнего дня болит поясница справа, отдаёт в ногу. Поднимал мешки на даче.",
        "Ходить могу, но наклоняться больно. Можно ли мазь с диклофенаком вместе с лозартаном?",
    ],
};

/// Callback requests: one waits, one is done.
pub(super) struct Request {
    pub(super) patient: usize,
    pub(super) minutes_ago: i64,
    pub(super) reason: &'static str,
    /// Minutes from now; as soon as possible when absent.
    pub(super) call_in_min: Option<i64>,
    /// Who called back, and how long they talked.
    pub(super) done: Option<(usize, i64)>,
}

pub(super) const REQUESTS: [Request; 2] = [
    Request {
        patient: PAVLOVA,
        minutes_ago: 2 * 24 * 60,
        reason: "Уточнить, можно ли принимать лоратадин вместе с витамином D",
        call_in_min: None,
        done: Some((PETROV, 184)),
    },
    Request {
        patient: VOLKOVA,
        minutes_ago: 25,
        reason: "Хочу обсудить график прививок для сына, удобнее голосом",
        call_in_min: Some(120),
        done: None,
    },
];
