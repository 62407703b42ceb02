"""The part of the domain whose answers never change: manners, help and a little small talk.

Intent -> what the caller may say, and the one answer. Data only; `domain` gives it its meaning.
"""

from __future__ import annotations

FIXED: dict[str, tuple[tuple[str, ...], str]] = {
    "greet": (
        ("hello", "hi", "hi there", "good morning", "hello there", "hey", "good afternoon"),
        "hello how can i help you",
    ),
    "thanks": (
        ("thank you", "thanks", "thank you very much", "thanks a lot"),
        "you are welcome",
    ),
    "bye": (("goodbye", "bye", "bye bye", "see you later"), "goodbye have a nice day"),
    "night": (("good night",), "good night sleep well"),
    "how": (("how are you", "how are you today", "how do you do"), "i am fine thank you"),
    "fine": (("i am fine", "i am fine thank you", "i am very well"), "i am glad to hear that"),
    "hear": (
        ("can you hear me", "are you there", "are you still there"),
        "yes i can hear you",
    ),
    "help": (
        ("what can you do", "help", "can you help me", "i need help"),
        "i can add numbers and tell you our opening hours",
    ),
    "yes": (("yes", "yes please"), "great what can i do for you"),
    "no": (("no", "no thank you"), "okay no problem"),
    "hours": (
        ("what are your opening hours", "when are you open"),
        "we are open from monday to saturday",
    ),
    "who": (("who are you", "what is your name"), "my name is nano i am a small voice agent"),
    "robot": (("are you a robot", "are you real"), "i am a program but i like to talk"),
    "where": (("where are you from", "where do you live"), "i live inside this computer"),
    "joke": (
        ("tell me a joke", "do you know a joke"),
        "why was six afraid of seven because seven eight nine",
    ),
    "sorry": (("sorry", "i am sorry"), "no problem at all"),
    "meet": (("nice to meet you", "pleased to meet you"), "nice to meet you too"),
    "clever": (("you are very clever", "well done"), "thank you that is very kind"),
}
