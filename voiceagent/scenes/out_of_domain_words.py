"""The words and templates that `out_of_domain` fills: data only.

``{a}`` and ``{b}`` are things, ``{w}`` a person, ``{p}`` a place; in near misses ``{n}`` and
``{m}`` are numbers, ``{d}`` a day and ``{x}`` a first name of the domain.
"""

from __future__ import annotations

THINGS = tuple(
    "the weather,a pizza,the capital of france,a fast car,the train station,my dog,a good book,"
    "the next bus,your favorite color,the best movie,a cup of coffee,the moon,a hotel room,"
    "the price of gold,my bank account,a football game,the president,a new phone,the answer,"
    "a song,an umbrella,the airport,a doctor,my flight,the news,a restaurant,"
    "the population of china,the highest mountain,an elephant,a recipe for soup,the traffic,"
    "my package,the internet,a washing machine,the garden,a haircut,the meaning of life,a loan,"
    "the museum,some music,a taxi,the stock market,a chicken sandwich,the kitchen light,"
    "my password,the history of rome,an email,the alarm,some milk,a bottle of water,my passport,"
    "the swimming pool,a birthday cake,two tickets,the last invoice,an apple pie,a bicycle,"
    "the heating,my insurance,a wedding dress,the dentist,a parking space,the speed of light,"
    "a glass of juice,the rent,my order number,a gift card,the vacuum cleaner,blue shoes,"
    "a window seat,the school bus,fresh bread,the ocean,a broken screen,the volume,a map,"
    "my neighbour,the library,cheap flights,an appointment,the calendar,a photograph,tomatoes,"
    "the fire alarm,a pair of glasses,my grandmother,the election,a dinner for six,green tea,"
    "the first floor,a laptop,the credit card,a winter coat,the battery,a cold,orange juice,"
    "the universe,a love song,the delivery,my subscription,a cheese burger,the remote control,"
    "the gas bill,a spider,the sun,our guests,a language course,the refrigerator,paper towels,"
    "a motor bike,the printer,a tooth brush,the manager,a complaint,the warranty".split(",")
)
PEOPLE = tuple(
    "mister brown,doctor white,my uncle,the boss,elizabeth,jonathan,alexander,mister johnson,"
    "my sister,the teacher,captain miller,our landlord,the king of spain,my best friend,"
    "christopher,margaret,the plumber,aunt betty,the driver,professor green".split(",")
)
PLACES = tuple(
    "london,new york,the city center,japan,the north pole,my office,the supermarket,italy,"
    "the beach,chicago,the main street,africa,the hospital,berlin,the second floor,mexico,"
    "the post office,australia,the park,san francisco".split(",")
)
TEMPLATES = tuple(
    "tell me about {a},can you find {a},where is {a},how far is {a},what is {a},who made {a},"
    "i want to buy {a},please order {a} for me,do you like {a},how much does {a} cost,play {a},"
    "turn on {a},can you book {a},i would like to talk about {a} and {b},why is {a} so big,"
    "show me {a},when was {a} invented,what do you think of {a},i lost {a} yesterday,"
    "could you explain {a} to me,is {a} better than {b},how do i cook {a},what color is {a},"
    "send {a} to my mother,remind me about {a},i need help with {a},how old is {a},"
    "what happened to {a},have you seen {a},give me {a} now,set a reminder for {a} tomorrow,"
    "does {a} come with {b},my brother has {a},where does {w} live,who is {w},"
    "call {w} please,is it going to rain today,how tall are you,"
    "tell me a story,sing a song,how many people live in {p},i am hungry,"
    "translate this into spanish,the quick brown fox jumps over the lazy dog,"
    "it was a very long day,how do i get to {p},what is the best way to {p},"
    "i would like to return {a},can you repair {a},there is a problem with {a},"
    "how long does it take to {p},do you sell {a},cancel {a},i do not understand {a},"
    "put {a} on my shopping list,what is the phone number of {w},did {w} call,"
    "write a message to {w},is there {a} near {p},how is the weather in {p},"
    "what does {a} look like,where can i get {a},my {a} is broken,who invented {a},"
    "i saw {w} in {p},we are going to {p} on our holiday,have you ever been to {p},"
    "what is the difference between {a} and {b},can i bring {a},how heavy is {a},"
    "please stop talking about {a},i am looking for {a},switch {a} off,let us go to {p},"
    "are there any seats left,is {w} at home,when will {w} be back,why do birds sing,"
    "how does {a} work,i think {a} is too expensive,what would you recommend,"
    "could you speak a little slower,i want to speak to a human,connect me to {w},"
    "what is my balance,transfer some money to {w},where did you learn that,"
    "i have been waiting for an hour,my name was misspelled,this is not what i wanted,"
    "do you believe in ghosts,what is love,how fast can you run,are you married,"
    "make {a} louder,next song please,read the last message,take a note,start the car,"
    "lock the door,dim the light in {p},good luck with {a},happy birthday to you,"
    "that is interesting,i changed my mind,never mind about {a},wait a moment please,"
    "hold the line,what a lovely morning,see if {w} has {a},ask {w} about {b},"
    "two plus sizes please,the hours are long in {p},today i met {w},i am from {p},"
    "you should see {a},can we meet in {p},should i take {a} or {b},it is raining in {p},"
    "could i have {a} with {b},why are you late,who was that,look at {a},find me {a} in {p},"
    "who lives in {p},what time does {a} arrive,when does {a} leave for {p},"
    "is {a} open,how late is it in {p},what day does {a} come,are you selling {a},"
    "what is new in {p},how was {a},thank {w} for {a},say hello to {w},goodbye said {w}".split(",")
)
NEAR_MISSES = tuple(
    "what is {n} times {m},what is {n} divided by {m},{n} times {m},multiply {n} and {m},"
    "what is the cube root of {n},what is {n} percent of {m},is {n} a prime number,"
    "what is {n} plus a lot,add {n} apples to my list,add some milk please,add {a} to my list,"
    "set a timer for {n} minutes,set an alarm for {n},wake me up at {n},call {x} please,"
    "call me at {n},book a table for {n} on {d},a table for {n} please,i need {n} tickets,"
    "how much is {a},how much is a ticket for {d},what is on tv on {d},what is the matter,"
    "what about {a},what about your sister,what about {p},when do you open {a},"
    "when do you go to {p},when do you sleep,when do you close your eyes,are you open to {a},"
    "are you hungry,are you there yet {w},are you from {p},are you coming on {d},"
    "is {d} a holiday,what day is christmas,what day was yesterday,what day is your birthday,"
    "what time is it in {p},what time is the meeting on {d},what time is lunch,"
    "do you know {x},do you know the way to {p},can you tell me a secret,"
    "can you tell me the price,can you hear the birds,can you help {w},can you do a handstand,"
    "what can you do about {a},what can you see,help me find {a},help {x} with {a},"
    "how are you going to fix {a},how are your parents,how are things in {p},"
    "how do you spell {w},can you spell {p},spell elephant please,how do you spell necessary,"
    "my name is on the list,my name is not important,i am tired,i am late for {a},"
    "i am going to {p},i am allergic to nuts,this is ridiculous,this is {a},this is my house,"
    "thank you for {a},thanks for the {b},thank {x} for {a},hello kitty is a cat,"
    "good morning america is on,good evening ladies and gentlemen,bye a new car,"
    "see you at {n},see you on {d},see you in {p},who are your parents,who are they,"
    "where are my keys,where do you work,where do they live,tell me a lie,tell me a poem,"
    "tell me the score,are you a doctor,are you a woman,are you real madrid,say cheese,"
    "say that to {w},repeat after me,repeat the last song,what did you eat,what did {x} say,"
    "you are very funny,you are wrong,well then,no way,no one knows,yes or no,"
    "nice weather today,nice to see {a},sorry about {a},i am sorry for your loss,"
    "good night moon is a book,remind me on {d},remind me to call {x} on {d},"
    "how many days until {d},the shop opens at {n},does {x} work on {d},is {x} there on {d},"
    "what are the hours of {a},what are your plans on {d},what are you wearing,"
    "what is your phone number,what is your favorite number,what is your address,"
    "what is the number of {x},{n} coffees please,{n} and a half,{n} o'clock is too early,"
    "room {n} please,gate {n},bus number {n},channel {n},chapter {n},i have {n} children,"
    "{x} is {n} years old,{x} and {w} are friends,do you like {x},where is {x},"
    "who is {x},write to {x},{d} night fever,on {d} i play tennis,"
    "move the meeting to {d},cancel my {d} appointment,add {x} to my contacts,"
    "minus {n} degrees outside,it is minus {n} degrees,plus size,one more time with feeling,"
    "i can hear you breathing,open {a},close {a},open the window,close the window please,"
    "i need {a},i need {n} of them,i need to go,do you know what i mean".split(",")
)
NEAR_WORDS = {
    "n": tuple(
        "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty "
        "forty fifty".split()
    ),
    "m": tuple("two three four five six seven eight nine ten twelve twenty hundred".split()),
    "d": ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    "x": tuple("anna ben carla david emma frank grace henry julia kevin laura maria".split()),
}
